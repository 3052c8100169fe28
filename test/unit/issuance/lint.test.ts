import { describe, expect, it } from 'vitest'
import { lintTbs, RULES } from '#issuance/lint/lint.ts'
import type { Expected } from '#issuance/lint/rule.ts'
import { after, DAY, HOUR, SECOND } from '#kernel/instant.ts'
import { encodeName, encodeTbs, PURPOSE, type TbsTemplate } from '#x509/index.ts'
import { added, broken, leaf, LEAF, names, OTHER, ours, SERIAL, with_ } from '../../support/lint.ts'
import { X509_NOW as NOW } from '../../support/x509.ts'

const FAULTS: readonly (readonly [rule: string, fault: string, template: TbsTemplate, expected?: Partial<Expected>])[] =
  [
    ['serial', 'C2 another prefix', leaf({ serial: new Uint8Array(18).fill(8) })],
    ['serial', 'C2 too short to be unique', leaf({ serial: SERIAL.subarray(0, 17) })],
    ['issuer-name', 'C4 another spelling of the issuer', leaf({ issuer: encodeName({ commonName: 'example.org' }) })],
    [
      'algorithm',
      'C3 another algorithm than the issuer signs with',
      leaf(),
      { issuer: { ...LEAF.issuer, algorithm: 'ES384' } },
    ],
    ['validity', 'begins after it was issued', leaf({ notBefore: after(NOW, SECOND) })],
    ['validity', 'C18 begins long before it was issued', leaf({ notBefore: after(NOW, -62 * SECOND) })],
    [
      'validity',
      'lives longer than the profile allows',
      leaf({ notAfter: after(NOW, DAY + SECOND) }),
      { issuer: { ...LEAF.issuer, notAfter: null } },
    ],
    [
      'within-issuer',
      'C18 outlives its issuer',
      leaf({ notAfter: after(NOW, DAY) }),
      { issuer: { ...LEAF.issuer, notAfter: after(NOW, DAY - SECOND) } },
    ],
    ['subject', 'C6 has a subject beside its SPIFFE ID', leaf({ subject: encodeName({ commonName: 'bot' }) })],
    ['public-key', 'another key than the one proved', leaf({ subjectPublicKey: OTHER.publicKey.spki })],
    ['extensions', 'C8 an extension that the profile does not know', added({ kind: 'ocspNoCheck', critical: false })],
    [
      'extensions',
      'an unknown extension',
      added({ kind: 'other', critical: false, oid: '1.2.3.4', value: new Uint8Array([5, 0]) }),
    ],
    ['extensions', 'a critical extension that is not critical by RFC 5280', with_('extKeyUsage', { critical: true })],
    ['basic-constraints', 'X-4 is an authority', with_('basicConstraints', { ca: true }), {}],
    ['basic-constraints', 'C12 says nothing of it', with_('basicConstraints', null)],
    ['basic-constraints', 'C12 does not insist on it', with_('basicConstraints', { critical: false })],
    ['key-usage', 'X-5 has no key usage', with_('keyUsage', null)],
    ['key-usage', 'X-5 has one that is not critical', with_('keyUsage', { critical: false })],
    ['key-usage', 'X-7 may sign certificates', with_('keyUsage', { usages: ['digitalSignature', 'keyCertSign'] })],
    [
      'key-usage',
      'C11 may encipher with an EC key',
      with_('keyUsage', { usages: ['digitalSignature', 'keyEncipherment'] }),
    ],
    ['extended-key-usage', 'X-8 has no purposes', with_('extKeyUsage', null)],
    ['extended-key-usage', 'X-8 is for servers only', with_('extKeyUsage', { purposes: [PURPOSE.serverAuth] })],
    [
      'extended-key-usage',
      'C15 may sign OCSP answers',
      with_('extKeyUsage', { purposes: [PURPOSE.serverAuth, PURPOSE.clientAuth, PURPOSE.ocspSigning] }),
    ],
    [
      'spiffe-id',
      'X-1 has two URIs',
      names(ours, ['uri', 'spiffe://example.org/agent/bot/i-2'], ['dns', 'bot.internal']),
    ],
    ['spiffe-id', 'X-1 has none', names(['dns', 'bot.internal'])],
    [
      'spiffe-id',
      'is another one than granted',
      names(['uri', 'spiffe://example.org/agent/bot/i-2'], ['dns', 'bot.internal']),
    ],
    [
      'spiffe-id',
      'X-2 has no path',
      names(['uri', 'spiffe://example.org'], ['dns', 'bot.internal']),
      { spiffeId: 'spiffe://example.org' },
    ],
    ['spiffe-id', 'is of another trust domain', leaf(), { trustDomain: 'example.com' }],
    [
      'spiffe-id',
      'is no SPIFFE ID',
      names(['uri', 'https://example.org/a'], ['dns', 'bot.internal']),
      { spiffeId: 'https://example.org/a' },
    ],
    [
      'alternative-names',
      'C13 carries a DNS name that is not registered',
      names(ours, ['dns', 'bot.internal'], ['dns', 'db.internal']),
    ],
    ['alternative-names', 'lacks a registered DNS name', names(ours)],
    [
      'alternative-names',
      'carries a name of the server',
      names(ours, ['dns', 'id.example.org']),
      { dnsNames: ['id.example.org'] },
    ],
    [
      'alternative-names',
      'C13 carries a name that is none',
      names(ours, ['dns', '*.internal']),
      { dnsNames: ['*.internal'] },
    ],
    ['authority-key-identifier', 'C9 names no key of the issuer', with_('authorityKeyIdentifier', null)],
    [
      'authority-key-identifier',
      'C9 names another key',
      with_('authorityKeyIdentifier', { keyIdentifier: OTHER.publicKey.keyIdentifier }),
    ],
    ['subject-key-identifier', 'C10 names no key', with_('subjectKeyIdentifier', null)],
    [
      'subject-key-identifier',
      'C10 names another key',
      with_('subjectKeyIdentifier', { keyIdentifier: OTHER.publicKey.keyIdentifier }),
    ],
    ['status', 'C16 points nowhere although there are CRLs', with_('crlDistributionPoints', null)],
    [
      'status',
      'C16 points to another shard',
      with_('crlDistributionPoints', { uris: ['http://status.example.org/crl/a/2.crl'] }),
    ],
    ['status', 'C17 points to endpoints that do not exist', leaf(), { status: null }],
    ['attestation', 'says nothing of the attestation', with_('writAttestation', null)],
    ['attestation', 'says a better key class than is known', with_('writAttestation', { keyClass: 'hsm' })],
    ['attestation', 'says an instance that it is not', with_('writAttestation', { instance: 'i-0' })],
    ['attestation', 'says another issue time than is recorded', with_('writAttestation', { issuedAt: after(NOW, 1) })],
    ['attestation', 'attests where nothing was attested', leaf(), { attestation: null }],
    [
      'ocsp-no-check',
      'O5 says that nobody need ask for its status, and is no responder',
      added({ kind: 'ocspNoCheck', critical: false }),
    ],
    ['name-constraints', 'C14 lacks the constraint that was asked for', leaf(), { permittedUriHost: 'example.org' }],
  ]

describe('the lint rules of a leaf', () => {
  it('find no fault with what is right', () => {
    expect(broken(leaf())).toEqual([])
    lintTbs(encodeTbs(leaf()), LEAF)
  })

  it.each(FAULTS.map(([rule, fault, template, expected = {}]) => ({ rule, fault, template, expected })))(
    '$rule: $fault',
    ({ rule, template, expected }) => {
      // An authority without a subject cannot even be encoded; its fault is planted with one.
      const isAuthority = template.extensions.some((extension) => extension.kind === 'basicConstraints' && extension.ca)
      const planted = isAuthority ? { ...template, subject: encodeName({ commonName: 'bot' }) } : template
      expect(broken(planted, { ...LEAF, ...expected })).toContain(rule)
    },
  )

  it('are each shown to fire', () => {
    expect([...new Set(FAULTS.map(([rule]) => rule))].sort()).toEqual(RULES.map(({ name }) => name).sort())
  })

  it('refuse what is about to be signed, naming the rules', () => {
    const planted = encodeTbs(with_('keyUsage', { critical: false }))
    expect(() => {
      lintTbs(planted, LEAF)
    }).toThrow(expect.objectContaining({ code: 'LINT_FAILED', details: { rules: 'key-usage' } }))
  })

  it('refuse what a strict reader does not read', () => {
    const swapped = { ...leaf(), notBefore: after(NOW, HOUR), notAfter: after(NOW, HOUR) }
    const torn = encodeTbs(swapped).subarray(0, 100)
    expect(() => {
      lintTbs(torn, LEAF)
    }).toThrow(expect.objectContaining({ code: 'LINT_FAILED' }))
  })
})
