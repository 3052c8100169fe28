import { describe, expect, it } from 'vitest'
import { crossFindings } from '#flows/ceremony/cross-findings.ts'
import { after, DAY } from '#kernel/instant.ts'
import {
  altName,
  basicConstraints,
  keyUsage,
  newKeyPair,
  TestAuthority,
  uri,
  withExtensions,
  type Changes,
  type KeyPair,
} from '../../support/x509.ts'

const OURS = { ...altName(uri('spiffe://example.org')), critical: false }
const old = TestAuthority.root('Old', { extensions: [OURS] })
const next = TestAuthority.root('Next', { extensions: [OURS] })
const pair = { subject: next.certificate, issuer: old.certificate }

function findings(changes: Changes = {}, by: TestAuthority = old, key: KeyPair = next.key): readonly string[] {
  const extensions = withExtensions([OURS, basicConstraints(true, 1)], changes.extensions ?? [])
  const template = { subject: next.certificate.subject, notAfter: old.certificate.notAfter, ...changes.template }
  return crossFindings(by.authority('Cross', { ...changes, template, extensions }, key).certificate, pair)
}

describe('the certificate of one root by another', () => {
  it('is without fault when it says name and key of the one, signed by the other, and no more', () => {
    expect(findings()).toEqual([])
  })

  it.each<[string, () => readonly string[], string]>([
    ['has another name', () => findings({ template: { subject: old.certificate.subject } }), 'subject'],
    ['has another key', () => findings({}, old, newKeyPair()), 'subject'],
    ['is signed by a stranger', () => findings({}, TestAuthority.root('Old', { extensions: [OURS] })), 'issuer'],
    [
      'lets as many authorities follow as there may be',
      () => findings({ extensions: [basicConstraints(true)] }),
      'path length',
    ],
    ['lets none follow', () => findings({ extensions: [basicConstraints(true, 0)] }), 'path length'],
    ['may not sign CRLs', () => findings({ extensions: [keyUsage('keyCertSign')] }), 'key usage'],
    ['outlives a root', () => findings({ template: { notAfter: after(old.certificate.notAfter, DAY) } }), 'lifetime'],
    [
      'carries what nobody knows',
      () =>
        findings({ extensions: [{ kind: 'other', critical: false, oid: '1.2.3.4', value: new Uint8Array([5, 0]) }] }),
      'extension',
    ],
    [
      'is of another trust domain',
      () => findings({ extensions: [{ ...altName(uri('spiffe://other.example')), critical: false }] }),
      'trust domain',
    ],
  ])('is refused when it %s', (_, found, finding) => {
    expect(found()).toContain(finding)
  })

  it('is refused when a root vouches for itself', () => {
    const itself = { subject: old.certificate, issuer: old.certificate }
    expect(crossFindings(old.certificate, itself)).toContain('issuer')
  })
})
