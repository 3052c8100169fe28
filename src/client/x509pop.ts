import { toBase64, toHex, type Bytes } from '#kernel/bytes.ts'
import { sha256 } from '#kernel/digest.ts'
import type { JsonObject, JsonValue } from '#kernel/json.ts'
import type { Signer } from '#kernel/signer.ts'
import { encodeX509popStatement, enrollChallenge, parseAnswer } from '#wire/index.ts'
import { fromPemList } from '#x509/index.ts'
import { callApi, type ApiOrigin } from './api-call.ts'

/** A certificate of another CA, and its key, which signs and never leaves its place. */
export interface X509popEvidence {
  readonly attestor: 'x509pop'
  /** Name of the source as the server has it; may be left out where there is but one. */
  readonly provider?: string
  /** The certificate first, then its intermediates. */
  readonly chainPem: string
  readonly signer: Signer
  /** The trust domain that the certificate is shown to: an answer for one is worth nothing in another. */
  readonly trustDomain: string
}

/** Asks, signs what the server has sent, and asks again. @throws as `callApi`; PEM_MALFORMED */
export async function enrollWithCertificate(
  origin: ApiOrigin,
  evidence: X509popEvidence,
  asked: { readonly csr: Bytes; readonly json: JsonObject },
): Promise<JsonValue> {
  const { attestor, provider, trustDomain, signer } = evidence
  const chain = fromPemList('CERTIFICATE', evidence.chainPem).map(toBase64)
  const json = { ...asked.json, attestor, evidence: { chain }, ...(provider === undefined ? {} : { provider }) }
  const first = await callApi(origin, { method: 'POST', path: '/v1/enroll', json })
  const { session, nonce } = parseAnswer(enrollChallenge, first)
  const csrDigest = toHex(sha256(asked.csr))
  const signature = toBase64(await signer.sign(encodeX509popStatement({ trustDomain, session, nonce, csrDigest })))
  return callApi(origin, { method: 'POST', path: `/v1/enroll/${session}`, json: { answer: { signature } } })
}
