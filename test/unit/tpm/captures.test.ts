import { X509Certificate } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { fromHex, toHex } from '#kernel/bytes.ts'
import {
  digestOf,
  ekTemplate,
  encodePublic,
  encodePcrSelections,
  hierarchyName,
  nameOf,
  parseAttest,
  parsePublic,
  parseSignature,
  pcrDigestOf,
  qualifiedNameOf,
  spkiOf,
  TPM_HANDLE,
  verifySignature,
  type EkKind,
} from '#tpm/index.ts'
import { CAPTURES, type CapturedTpm } from '../../support/tpm-vectors.ts'

const KINDS: Readonly<Record<CapturedTpm['ek'], EkKind>> = { rsa2048: 'rsa-2048', p256: 'p-256', p384: 'p-384' }
const areaOf = (hex: string) => parsePublic(fromHex(hex))
const verified = (ak: string, { attest, signature }: CapturedTpm['quote']) =>
  verifySignature(areaOf(ak), fromHex(attest), parseSignature(fromHex(signature)))

describe.each(CAPTURES.keys)('what swtpm made with the endorsement key $ek', (tpm) => {
  it('encodes to the bytes that it was parsed from', () => {
    const areas = [tpm.ekPublic, tpm.akPublic, tpm.keyPublic]
    expect(areas.map((area) => toHex(encodePublic(areaOf(area))))).toEqual(areas)
  })

  it('has the names that the tools print, with the hash of each object', () => {
    expect(toHex(nameOf(areaOf(tpm.ekPublic)))).toBe(tpm.ekName)
    expect(toHex(nameOf(areaOf(tpm.akPublic)))).toBe(tpm.akName)
    expect(toHex(nameOf(areaOf(tpm.keyPublic)))).toBe(tpm.keyName)
    expect(areaOf(tpm.ekPublic).nameAlg).toBe(tpm.ek === 'p384' ? 'sha384' : 'sha256')
  })

  it('has the key of its certificate', () => {
    const { publicKey } = new X509Certificate(fromHex(tpm.ekCertificate))
    expect(Buffer.from(spkiOf(areaOf(tpm.ekPublic)))).toEqual(publicKey.export({ type: 'spki', format: 'der' }))
  })

  it('was made from our template, but for the key itself', () => {
    const area = areaOf(tpm.ekPublic)
    const empty =
      area.type === 'rsa' ? { modulus: new Uint8Array(256) } : { x: new Uint8Array(32), y: new Uint8Array(32) }
    const none = { x: new Uint8Array(0), y: new Uint8Array(0) }
    const blank = { ...area, ...(tpm.ek === 'p384' ? none : empty) } as typeof area
    expect(toHex(ekTemplate(KINDS[tpm.ek]))).toBe(toHex(encodePublic(blank)))
  })

  it('has an attestation key whose qualified name leads to the endorsement hierarchy', () => {
    const ek = qualifiedNameOf(areaOf(tpm.ekPublic), hierarchyName(TPM_HANDLE.endorsement))
    expect(toHex(qualifiedNameOf(areaOf(tpm.akPublic), ek))).toBe(tpm.akQualifiedName)
    expect(toHex(parseAttest(fromHex(tpm.certify.attest)).qualifiedSigner)).toBe(tpm.akQualifiedName)
    const owner = qualifiedNameOf(areaOf(tpm.ekPublic), hierarchyName(TPM_HANDLE.owner))
    expect(toHex(qualifiedNameOf(areaOf(tpm.akPublic), owner))).not.toBe(tpm.akQualifiedName)
  })

  it('certifies the key, with the word that tpm2_certify always gives', () => {
    const attest = parseAttest(fromHex(tpm.certify.attest))
    if (attest.type !== 'certify') expect.fail('no certify')
    expect(toHex(attest.name)).toBe(tpm.keyName)
    expect(toHex(attest.extraData)).toBe('00ff55aa')
    expect(verified(tpm.akPublic, tpm.certify)).toBe(true)
  })

  it('quotes its PCRs', () => {
    const attest = parseAttest(fromHex(tpm.quote.attest))
    if (attest.type !== 'quote') expect.fail('no quote')
    const { hash } = parseSignature(fromHex(tpm.quote.signature))
    expect(attest.selections).toEqual([{ bank: 'sha256', indexes: [0, 1, 2, 7] }])
    expect(toHex(attest.extraData)).toBe(CAPTURES.nonce)
    const values = (['0', '1', '2', '7'] as const).map((index) => fromHex(CAPTURES.pcrs[index]))
    expect(toHex(pcrDigestOf(hash, values))).toBe(toHex(attest.pcrDigest))
    expect(toHex(fromHex(tpm.quote.attest))).toContain(toHex(encodePcrSelections(attest.selections)))
    expect(verified(tpm.akPublic, tpm.quote)).toBe(true)
  })

  it('says what it has created', () => {
    const attest = parseAttest(fromHex(tpm.creation.attest))
    if (attest.type !== 'creation') expect.fail('no creation')
    expect(toHex(attest.objectName)).toBe(tpm.keyName)
    expect(tpm.creation.hash).toContain(toHex(attest.creationHash))
    expect(verified(tpm.akPublic, tpm.creation)).toBe(true)
  })

  it('verifies under no other key, for no other bytes, and with no other signature', () => {
    const others = CAPTURES.keys.filter(({ ek }) => ek !== tpm.ek)
    expect(others.map(({ akPublic }) => verified(akPublic, tpm.quote))).toEqual([false, false])
    expect(verified(tpm.akPublic, { ...tpm.quote, attest: tpm.certify.attest })).toBe(false)
    expect(verified(tpm.akPublic, { ...tpm.quote, signature: tpm.certify.signature })).toBe(false)
  })

  it('gives all of the firmware version, which no JavaScript number holds', () => {
    const { firmwareVersion } = parseAttest(fromHex(tpm.quote.attest))
    expect(tpm.quote.attest).toContain(firmwareVersion.toString(16).padStart(16, '0'))
    expect(firmwareVersion).toBe(parseAttest(fromHex(tpm.certify.attest)).firmwareVersion)
  })
})

it('digests what it is given, one part behind the other', () => {
  expect(toHex(digestOf('sha384', Uint8Array.of(1), Uint8Array.of(2)))).toBe(
    toHex(digestOf('sha384', Uint8Array.of(1, 2))),
  )
})
