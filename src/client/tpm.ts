import { fromBase64, toBase64, toHex, type Bytes } from '#kernel/bytes.ts'
import { sha256 } from '#kernel/digest.ts'
import type { JsonObject, JsonValue } from '#kernel/json.ts'
import { encodeTpmStatement, enrollChallenge, parseAnswer, type EnrollChallenge } from '#wire/index.ts'
import { callApi, type ApiOrigin } from './api-call.ts'
import { clientError } from './errors.ts'

/** A TPM that holds the identity's key, as evidence for it. All of it are the TPM's own bytes, without outer lengths. */
export interface TpmProver {
  show(): Promise<{
    readonly ekPublic: Bytes
    readonly ekCertificate: Bytes | null
    readonly akPublic: Bytes
    readonly keyPublic: Bytes
  }>
  /** After `show`. */
  answer(challenge: {
    readonly credentialBlob: Bytes
    readonly encryptedSecret: Bytes
    /** What certification and quote must carry. */
    readonly qualifyingData: Bytes
    readonly pcrs: PcrSelection | null
  }): Promise<{
    readonly secret: Bytes
    readonly certify: SignedAttest
    readonly quote:
      (SignedAttest & { readonly pcrs: readonly { readonly index: number; readonly digest: string }[] }) | null
  }>
}

interface PcrSelection {
  readonly bank: 'sha256' | 'sha384'
  readonly indexes: readonly number[]
}

interface SignedAttest {
  readonly attest: Bytes
  readonly signature: Bytes
}

/** The TPM that the key of the certificate request is in. */
export interface TpmEvidence {
  readonly attestor: 'tpm'
  /** Name of the source as the server has it; may be left out where there is but one. */
  readonly provider?: string
  readonly prover: TpmProver
  /** DER of the intermediates between the EK certificate and its manufacturer's root. */
  readonly ekChain?: readonly Bytes[]
  /** The trust domain that the TPM is shown to: an answer for one is worth nothing in another. */
  readonly trustDomain: string
}

/** Shows the TPM, lets it open what the server has sealed for it, and answers. @throws as `callApi`, and the TPM's failures */
export async function enrollWithTpm(
  origin: ApiOrigin,
  evidence: TpmEvidence,
  asked: { readonly csr: Bytes; readonly json: JsonObject },
): Promise<JsonValue> {
  const { attestor, provider, prover } = evidence
  const shown = await shownBy(evidence)
  const json = { ...asked.json, attestor, evidence: shown, ...(provider === undefined ? {} : { provider }) }
  const challenge = parseAnswer(enrollChallenge, await callApi(origin, { method: 'POST', path: '/v1/enroll', json }))
  const proof = await prover.answer(opened(challenge, evidence.trustDomain, asked.csr))
  const answer = {
    secret: toBase64(proof.secret),
    certify: encoded(proof.certify),
    ...(proof.quote === null ? {} : { quote: { ...encoded(proof.quote), pcrs: pcrsOf(proof.quote.pcrs) } }),
  }
  return callApi(origin, { method: 'POST', path: `/v1/enroll/${challenge.session}`, json: { answer } })
}

async function shownBy({ prover, ekChain = [] }: TpmEvidence): Promise<JsonObject> {
  const { ekPublic, ekCertificate, akPublic, keyPublic } = await prover.show()
  return {
    ek_public: toBase64(ekPublic),
    ...(ekCertificate === null ? {} : { ek_certificate: toBase64(ekCertificate) }),
    ...(ekChain.length === 0 ? {} : { ek_chain: ekChain.map(toBase64) }),
    ak_public: toBase64(akPublic),
    key_public: toBase64(keyPublic),
  }
}

type Opened = Parameters<TpmProver['answer']>[0]

function opened({ session, nonce, tpm }: EnrollChallenge, trustDomain: string, csr: Bytes): Opened {
  if (tpm === undefined) throw clientError('SERVER_ANSWER_INVALID', { message: 'a challenge without a credential' })
  const csrDigest = toHex(sha256(csr))
  return {
    credentialBlob: fromBase64(tpm.credential_blob),
    encryptedSecret: fromBase64(tpm.encrypted_secret),
    qualifyingData: sha256(encodeTpmStatement({ trustDomain, session, nonce, csrDigest })),
    pcrs: tpm.pcrs,
  }
}

function encoded({ attest, signature }: SignedAttest): { readonly attest: string; readonly signature: string } {
  return { attest: toBase64(attest), signature: toBase64(signature) }
}

function pcrsOf(pcrs: readonly { readonly index: number; readonly digest: string }[]): JsonValue {
  return pcrs.map(({ index, digest }) => ({ index, digest }))
}
