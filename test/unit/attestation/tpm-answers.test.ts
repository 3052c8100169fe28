import { describe, expect, it } from 'vitest'
import type { TpmProvider } from '#attestation/index.ts'
import { concat, fromHex, toBase64, utf8, type Bytes } from '#kernel/bytes.ts'
import type { JsonObject } from '#kernel/json.ts'
import { attributesOf, uint16 } from '#tpm/index.ts'
import { codeOfAsync } from '../../support/code-of.ts'
import {
  certifyWith,
  KEY_ATTRIBUTES,
  keyArea,
  newAk,
  newPrivateKey,
  quoteWith,
  signAttest,
} from '../../support/software-tpm.ts'
import {
  qualifyingData,
  tpmAnswer,
  tpmAttestorOf,
  tpmEvidence,
  tpmProvider,
  type AnswerChanges,
} from '../../support/tpm-attestation.ts'
import { captured } from '../../support/tpm-vectors.ts'
import { deviceAuthority } from '../../support/x509pop.ts'
import {
  NOW,
  SESSION,
  CSR_DIGEST,
  privateKey,
  KEY,
  DEVICE,
  FLEET,
  context,
  begin,
  refusal,
  attest,
  outcome,
  type Answers,
} from '../../support/tpm-attempts.ts'

describe('an answer is refused', () => {
  it('with another secret, or none', async () => {
    expect(await outcome({}, { secret: new Uint8Array(32) })).toBe('TPM_ACTIVATION_FAILED')
    expect(await outcome({}, { raw: ({ certify }) => ({ certify: certify! }) })).toBe('EVIDENCE_INVALID')
  })

  it('when another key has certified, and not the one that was activated', async () => {
    const head = { extraData: new Uint8Array(32) }
    const other = certifyWith(newAk(), KEY, head)
    expect(await outcome({}, { certify: other })).toBe('TPM_CERTIFY_INVALID')
  })

  it('when something else than a certify is signed', async () => {
    const quote = quoteWith(DEVICE.ak, [{ bank: 'sha256', indexes: [0] }], [new Uint8Array(32)], {
      extraData: new Uint8Array(32),
    })
    expect(await outcome({}, { certify: quote })).toBe('TPM_CERTIFY_INVALID')
  })

  it('with a stale or a foreign nonce', async () => {
    expect(await outcome({}, { head: { extraData: new Uint8Array(32) } })).toBe('TPM_NONCE_FOREIGN')
    expect(await outcome({}, { head: { extraData: fromHex('00ff55aa') } })).toBe('TPM_NONCE_FOREIGN')
    const stale = qualifyingData({ session: SESSION, nonce: 'N'.repeat(43), csrDigest: CSR_DIGEST })
    expect(await outcome({}, { head: { extraData: stale } })).toBe('TPM_NONCE_FOREIGN')
  })

  it('in the session of another agent', async () => {
    expect(await outcome({}, { session: 'T'.repeat(43) })).toBe('TPM_NONCE_FOREIGN')
  })

  it('with a certify of another key than that of the request', async () => {
    const { challenge, context: kept } = await begin()
    const asked = { session: SESSION, nonce: challenge.nonce, credential: challenge.tpm!, csrDigest: CSR_DIGEST }
    const other = keyArea(newPrivateKey('p-256'))
    const answer = tpmAnswer(DEVICE, other, asked)
    expect(await codeOfAsync(() => tpmAttestorOf(FLEET).finish!(answer, kept, context()))).toBe('TPM_CERTIFY_OTHER_KEY')
    // The same key under other attributes is another object.
    const duplicable = keyArea(privateKey, { attributes: KEY_ATTRIBUTES & ~attributesOf('fixedTPM') })
    const twin = tpmAnswer(DEVICE, duplicable, asked)
    expect(await codeOfAsync(() => tpmAttestorOf(FLEET).finish!(twin, kept, context()))).toBe('TPM_CERTIFY_OTHER_KEY')
  })

  it('signed with SHA-1, or with another hash than the one of the key', async () => {
    const { attest: bytes, signature } = certifyWith(DEVICE.ak, KEY, { extraData: new Uint8Array(32) })
    const weak = signature.slice()
    weak.set(uint16(4), 2)
    expect(await outcome({}, { certify: { attest: bytes, signature: weak } })).toBe('TPM_HASH_WEAK')
    expect(await outcome({}, { certify: signAttest(DEVICE.ak, bytes, 'sha384') })).toBe('TPM_CERTIFY_INVALID')
  })

  it('that a TPM has not written', async () => {
    expect(await outcome({}, { head: { magic: 0x00544347 } })).toBe('TPM_NOT_GENERATED')
  })

  it.each([
    ['ek_public', (text: string) => toBase64(Buffer.from(text, 'base64').subarray(0, -1)), 'TPM_TRUNCATED'],
    ['ak_public', (text: string) => toBase64(Buffer.from(text, 'base64').subarray(0, -1)), 'TPM_TRUNCATED'],
    ['key_public', (text: string) => toBase64(concat(Buffer.from(text, 'base64'), utf8('x'))), 'TPM_TRAILING_BYTES'],
    [
      'ek_certificate',
      (text: string) => toBase64(Buffer.from(text, 'base64').subarray(0, -1)),
      'CERTIFICATE_MALFORMED',
    ],
  ])('with %s cut or too long', async (member, change, code) => {
    const evidence: Record<string, string | string[]> = tpmEvidence(DEVICE, KEY)
    expect(await refusal({ evidence: { ...evidence, [member]: change(String(evidence[member])) } })).toBe(code)
  })

  it.each(['attest', 'signature'] as const)('with %s cut or too long', async (member) => {
    const changed = (change: (bytes: Bytes) => Bytes) => (answer: JsonObject) => {
      const certify = answer['certify'] as Record<string, string>
      return { ...answer, certify: { ...certify, [member]: toBase64(change(Buffer.from(certify[member]!, 'base64'))) } }
    }
    expect(await outcome({}, { raw: changed((bytes) => bytes.slice(0, -1)) })).toBe('TPM_TRUNCATED')
    expect(await outcome({}, { raw: changed((bytes) => concat(bytes, utf8('x'))) })).toBe('TPM_TRAILING_BYTES')
  })

  it('with members that have no place', async () => {
    expect(await outcome({}, { raw: (answer) => ({ ...answer, more: 1 }) })).toBe('EVIDENCE_INVALID')
    expect(await outcome({}, { raw: (answer) => ({ ...answer, certify: [] }) })).toBe('EVIDENCE_INVALID')
    expect(await refusal({ evidence: { ...tpmEvidence(DEVICE, KEY), more: '1' } })).toBe('EVIDENCE_INVALID')
    expect(await refusal({ evidence: { ...tpmEvidence(DEVICE, KEY), ak_public: '***' } })).toBe('EVIDENCE_INVALID')
  })

  it('once the provider is no longer configured, or no longer trusts the maker', async () => {
    const { context: kept } = await begin()
    const finish = (provider: TpmProvider) => codeOfAsync(() => tpmAttestorOf(provider).finish!({}, kept, context()))
    expect(await finish(tpmProvider({ ...FLEET, name: 'others' }))).toBe('PROVIDER_UNKNOWN')
    expect(await finish(tpmProvider({ roots: [deviceAuthority(NOW, 'Other').certificate] }))).toBe(
      'TPM_EK_CERTIFICATE_UNTRUSTED',
    )
  })
})

describe('a quote', () => {
  const PCRS = { 0: new Uint8Array(32), 7: new Uint8Array(32).fill(7) }
  const SELECTION = { bank: 'sha256', indexes: [0, 7] } as const
  const provider = tpmProvider({ ...FLEET, pcrs: SELECTION })
  const quoted = (changes: Partial<NonNullable<AnswerChanges['quote']>> & Answers = {}) =>
    outcome({ provider }, { ...changes, quote: { selections: [SELECTION], pcrs: PCRS, ...changes } })

  it('is asked for where the provider names PCRs, and proves their values', async () => {
    const { challenge } = await begin({ provider })
    expect(challenge.tpm?.pcrs).toEqual(SELECTION)
    const proof = await attest({ provider }, { quote: { selections: [SELECTION], pcrs: PCRS } })
    expect(proof.selectors.slice(-2)).toEqual([
      `tpm:fleet:pcr:sha256:0:${'00'.repeat(32)}`,
      `tpm:fleet:pcr:sha256:7:${'07'.repeat(32)}`,
    ])
    const order = await attest(
      { provider: tpmProvider({ ...FLEET, pcrs: { bank: 'sha256', indexes: [7, 0] } }) },
      { quote: { selections: [SELECTION], pcrs: PCRS } },
    )
    expect(order.selectors).toEqual(proof.selectors)
  })

  it('is refused when it is missing, or when nobody asked', async () => {
    expect(await outcome({ provider }, {})).toBe('TPM_QUOTE_MISSING')
    expect(await outcome({}, { quote: { selections: [SELECTION], pcrs: PCRS } })).toBe('EVIDENCE_INVALID')
  })

  it('is refused over no PCR at all', async () => {
    expect(await quoted({ selections: [{ bank: 'sha256', indexes: [] }], pcrs: {} })).toBe('TPM_QUOTE_EMPTY')
    expect(await quoted({ selections: [], pcrs: {} })).toBe('TPM_QUOTE_EMPTY')
  })

  it('is refused over fewer, more or other PCRs, or another bank', async () => {
    expect(await quoted({ selections: [{ bank: 'sha256', indexes: [0] }], pcrs: { 0: PCRS[0] } })).toBe(
      'TPM_QUOTE_SELECTION',
    )
    const more = { bank: 'sha256', indexes: [0, 1, 7] } as const
    expect(await quoted({ selections: [more], pcrs: { ...PCRS, 1: PCRS[0] } })).toBe('TPM_QUOTE_SELECTION')
    expect(await quoted({ selections: [{ bank: 'sha384', indexes: [0, 7] }] })).toBe('TPM_QUOTE_SELECTION')
    const two = [SELECTION, { bank: 'sha384', indexes: [0] }] as const
    expect(await quoted({ selections: two })).toBe('TPM_QUOTE_SELECTION')
  })

  it('is refused with values that are not the quoted ones, or too few or many', async () => {
    const head = { extraData: new Uint8Array(32) }
    const { challenge, context: kept } = await begin({ provider })
    const asked = { session: SESSION, nonce: challenge.nonce, credential: challenge.tpm!, csrDigest: CSR_DIGEST }
    const whole = { ...head, extraData: qualifyingData(asked) }
    const signed = quoteWith(DEVICE.ak, [SELECTION], [PCRS[0], PCRS[7]], whole)
    const told = (pcrs: Readonly<Record<number, Bytes>>) =>
      codeOfAsync(() =>
        tpmAttestorOf(provider).finish!(
          tpmAnswer(DEVICE, KEY, asked, { quote: { selections: [SELECTION], pcrs: { ...PCRS, ...pcrs }, signed } }),
          kept,
          context(),
        ),
      )
    expect(await told({})).toBe('ACCEPTED')
    expect(await told({ 7: new Uint8Array(32).fill(8) })).toBe('TPM_QUOTE_PCRS')
    expect(await told({ 1: new Uint8Array(32) })).toBe('TPM_QUOTE_PCRS')
    expect(await told({ 7: new Uint8Array(48) })).toBe('TPM_QUOTE_PCRS')
  })

  it('is refused when another key has signed it, for another session, or when it is no quote', async () => {
    const head = { extraData: new Uint8Array(32) }
    const foreign = quoteWith(newAk(), [SELECTION], [PCRS[0], PCRS[7]], head)
    expect(await quoted({ signed: foreign })).toBe('TPM_QUOTE_INVALID')
    expect(await quoted({ signed: certifyWith(DEVICE.ak, KEY, head) })).toBe('TPM_QUOTE_INVALID')
    expect(await quoted({ signed: quoteWith(DEVICE.ak, [SELECTION], [PCRS[0], PCRS[7]], head) })).toBe(
      'TPM_NONCE_FOREIGN',
    )
  })

  it('is not made of captures: those of swtpm have another nonce', async () => {
    const { akPublic, quote } = captured('p256')
    expect(akPublic).not.toBe('')
    const signed = { attest: fromHex(quote.attest), signature: fromHex(quote.signature) }
    expect(await quoted({ signed })).toBe('TPM_QUOTE_INVALID')
  })
})
