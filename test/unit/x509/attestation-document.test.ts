import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { instant } from '#kernel/instant.ts'
import { ATTESTATION_OID, type Extension } from '#x509/index.ts'
import { hex } from '../../support/der.ts'
import { TestAuthority } from '../../support/x509.ts'

const text = readFileSync(new URL('../../../docs/attestation-extension.asn1.md', import.meta.url), 'utf8')

it('the document of the attestation extension has the identifier and the encoding that we write', () => {
  expect(text).toContain(`{ ${ATTESTATION_OID.replaceAll('.', ' ')} }`)
  const example = /```hex\n([^`]+)```/.exec(text)?.[1]?.replace(/\s/g, '') ?? ''
  const value: Extension = { kind: 'other', critical: false, oid: ATTESTATION_OID, value: hex(example) }
  expect(
    TestAuthority.root()
      .leaf({ extensions: [value] })
      .extension('writAttestation'),
  ).toEqual({
    kind: 'writAttestation',
    critical: false,
    oid: ATTESTATION_OID,
    issuedAt: instant(1_797_840_000_123),
    keyClass: 'tpm',
    keyClassSource: 'attested',
    attestor: 'tpm',
    evidenceDigest: new Uint8Array(32).fill(7),
  })
})
