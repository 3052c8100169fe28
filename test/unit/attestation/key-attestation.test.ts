import { describe, expect, it } from 'vitest'
import { attestKey, tpmKeyAttestation, yubikeyPivAttestation } from '#attestation/index.ts'
import { toBase64, toHex, utf8 } from '#kernel/bytes.ts'
import { sha256 } from '#kernel/digest.ts'
import { DAY, instant } from '#kernel/instant.ts'
import type { JsonObject } from '#kernel/json.ts'
import { encodePublic } from '#tpm/index.ts'
import { encodeKeyStatement } from '#wire/index.ts'
import { attestedWith } from '../../support/attested.ts'
import { codeOf } from '../../support/code-of.ts'
import { certifiedTpmKey, SyntheticYubikey, yubicoExtension } from '../../support/key-attestation.ts'
import { keyArea, newPrivateKey } from '../../support/software-tpm.ts'
import { TRUST_DOMAIN } from '../../support/trust-domain.ts'
import { basicConstraints, keyUsage, newKeyPair, X509_NOW } from '../../support/x509.ts'
import { deviceAuthority } from '../../support/x509pop.ts'

const NOW = X509_NOW
const KEY = newKeyPair()
const OTHER = newKeyPair()
const CSR_DIGEST = toHex(sha256(utf8('a request')))
const nonce = sha256(encodeKeyStatement({ trustDomain: TRUST_DOMAIN.name, csrDigest: CSR_DIGEST }))
const key = { publicKey: KEY.publicKey.spki, nonce, now: NOW }

const withoutType = (evidence: JsonObject): JsonObject =>
  Object.fromEntries(Object.entries(evidence).filter(([name]) => name !== 'type'))

describe('a YubiKey PIV attestation (a synthetic chain)', () => {
  const device = new SyntheticYubikey(NOW)
  const method = yubikeyPivAttestation([device.root.certificate])
  const verify = (evidence: JsonObject, of = key) => {
    return method.verify(withoutType(evidence), of)
  }
  const refusal = (evidence: JsonObject, of = key) => codeOf(() => verify(evidence, of))
  const slot = device.slot(KEY.publicKey)

  it('says that the key of the slot lives in the device', () => {
    expect(verify(device.evidence(slot))).toBe('hsm')
  })

  it('is refused for another key than that of the request', () => {
    expect(refusal(device.evidence(slot), { ...key, publicKey: OTHER.publicKey.spki })).toBe(
      'KEY_ATTESTATION_OTHER_KEY',
    )
  })

  it('is refused under a foreign root, without slot F9, or with that of another device', () => {
    const foreign = new SyntheticYubikey(NOW)
    expect(refusal(foreign.evidence(foreign.slot(KEY.publicKey)))).toBe('KEY_ATTESTATION_UNTRUSTED')
    expect(refusal({ ...device.evidence(slot), chain: [toBase64(slot)] })).toBe('KEY_ATTESTATION_UNTRUSTED')
    const sibling = new SyntheticYubikey(NOW, device.root)
    expect(refusal(sibling.evidence(slot))).toBe('KEY_ATTESTATION_UNTRUSTED')
  })

  it('is refused when the certificate is that of an authority', () => {
    const authority = device.slot(KEY.publicKey, { extensions: [basicConstraints(true), keyUsage('keyCertSign')] })
    expect(refusal(device.evidence(authority))).toBe('KEY_ATTESTATION_IS_AUTHORITY')
  })

  it('is refused when the certificate has expired', () => {
    const template = { notBefore: instant(NOW - DAY), notAfter: instant(NOW - 1000) }
    expect(refusal(device.evidence(device.slot(KEY.publicKey, { template })))).toBe('KEY_ATTESTATION_EXPIRED')
  })

  it.each([
    ['nothing', []],
    ['no firmware', [yubicoExtension(9, 1)]],
    ['a firmware of four octets', [yubicoExtension(3, 5, 4, 3, 0)]],
    ['a policy of one octet', [yubicoExtension(3, 5, 4, 3), yubicoExtension(8, 1)]],
    ['a policy that is none', [yubicoExtension(3, 5, 4, 3), yubicoExtension(8, 0, 1)]],
    ['a serial number that is no INTEGER', [yubicoExtension(3, 5, 4, 3), yubicoExtension(7, 1, 2, 3)]],
    ['a form factor of two octets', [yubicoExtension(3, 5, 4, 3), yubicoExtension(9, 1, 2)]],
  ])('is refused when it states %s', (_what, statement) => {
    expect(refusal(device.evidence(device.slot(KEY.publicKey, { statement })))).toBe('KEY_ATTESTATION_INVALID')
  })

  it('is taken from a FIPS device, and from one that states its firmware only', () => {
    const fips = [yubicoExtension(3, 5, 4, 3), yubicoExtension(10, 1)]
    expect(verify(device.evidence(device.slot(KEY.publicKey, { statement: fips })))).toBe('hsm')
    expect(verify(device.evidence(device.slot(KEY.publicKey, { statement: [yubicoExtension(3, 4, 3, 0)] })))).toBe(
      'hsm',
    )
  })

  it('is refused without a chain, with too long a one, or with more than it takes', () => {
    expect(refusal({ chain: [] })).toBe('EVIDENCE_INVALID')
    expect(refusal({ chain: Array.from({ length: 6 }, () => toBase64(slot)) })).toBe('EVIDENCE_INVALID')
    expect(refusal({ ...device.evidence(slot), more: 1 })).toBe('EVIDENCE_INVALID')
    expect(refusal(device.evidence(slot.slice(0, -1)))).toBe('CERTIFICATE_MALFORMED')
  })
})

describe('a TPM key attestation by a certified attestation key', () => {
  const authority = deviceAuthority(NOW, 'AK authority')
  const method = tpmKeyAttestation([authority.certificate])
  const evidence = certifiedTpmKey(authority, NOW, { key: KEY, csrDigest: CSR_DIGEST })
  const refusal = (given: JsonObject, of = key) =>
    codeOf(() => {
      return method.verify(withoutType(given), of)
    })

  it('says that the key lives in the TPM', () => {
    expect(method.verify(withoutType(evidence), key)).toBe('tpm')
  })

  it('is refused for another key, or for another request', () => {
    expect(refusal(evidence, { ...key, publicKey: OTHER.publicKey.spki })).toBe('TPM_KEY_NOT_REQUESTED')
    expect(refusal(evidence, { ...key, nonce: new Uint8Array(32) })).toBe('TPM_NONCE_FOREIGN')
  })

  it('is refused when nobody known has certified the attestation key, or for another purpose', () => {
    const foreign = certifiedTpmKey(deviceAuthority(NOW, 'Other'), NOW, { key: KEY, csrDigest: CSR_DIGEST })
    expect(refusal(foreign)).toBe('KEY_ATTESTATION_UNTRUSTED')
    const purpose = '2.23.133.8.1'
    expect(refusal(certifiedTpmKey(authority, NOW, { key: KEY, csrDigest: CSR_DIGEST, purpose }))).toBe(
      'KEY_ATTESTATION_INVALID',
    )
    const other = certifiedTpmKey(authority, NOW, { key: KEY, csrDigest: CSR_DIGEST })
    expect(refusal({ ...evidence, chain: other.chain })).toBe('KEY_ATTESTATION_INVALID')
    expect(refusal({ ...evidence, certify: other.certify })).toBe('TPM_CERTIFY_INVALID')
  })

  it('is refused for a key that could leave', () => {
    const area = keyArea(newPrivateKey('p-256'), { attributes: 0x40040 })
    const given = { ...evidence, key_public: toBase64(encodePublic(area)) }
    expect(refusal(given)).toBe('TPM_KEY_DUPLICABLE')
  })
})

describe('the key class of an attestation', () => {
  const device = new SyntheticYubikey(NOW)
  const methods = [yubikeyPivAttestation([device.root.certificate])]
  const before = attestedWith({ attestor: 'x509pop', keyClass: 'software', keyClassSource: 'declared' })

  it('is what the device states, while all else stays what the attestor said', () => {
    const proof = attestKey(before, methods, device.evidence(device.slot(KEY.publicKey)), key)
    expect(proof).toMatchObject({ keyClass: 'hsm', keyClassSource: 'attested', attestor: 'x509pop' })
    expect([proof.selectors, proof.evidenceDigest]).toEqual([before.selectors, before.evidenceDigest])
    expect(before).toMatchObject({ keyClass: 'software', keyClassSource: 'declared' })
  })

  it('is not given for a type that the server does not verify', () => {
    expect(codeOf(() => attestKey(before, [], device.evidence(device.slot(KEY.publicKey)), key))).toBe(
      'KEY_ATTESTATION_UNKNOWN',
    )
  })
})
