import { toBase64Url, utf8 } from '#kernel/bytes.ts'
import { toNumericDate, type Instant } from '#kernel/instant.ts'
import type { JsonObject } from '#kernel/json.ts'
import type { Signer } from '#kernel/signer.ts'
import { jwkFromSpki } from './jwk.ts'
import { tokenHash } from './proof-claims.ts'
import { finishCompact } from './sign.ts'
import { TOKEN_KINDS, type TokenKind } from './token-kinds.ts'

export interface DpopProofFields {
  readonly method: string
  /** Query and fragment are left out of the proof. */
  readonly uri: string
  readonly issuedAt: Instant
  /** `jti`: at least 96 random bits, new for each request. */
  readonly id: string
  /** What the server gave in `DPoP-Nonce`. */
  readonly nonce?: string | undefined
  /** The token that the request carries. */
  readonly accessToken?: string | undefined
}

/** A DPoP proof (RFC 9449 section 4.2) by a key that may live anywhere. @throws what the signer rejects with */
export function signDpopProof(signer: Signer, fields: DpopProofFields): Promise<string> {
  const { nonce, accessToken } = fields
  const claims = {
    jti: fields.id,
    htm: fields.method,
    htu: fields.uri.split(/[?#]/, 1)[0] ?? '',
    iat: toNumericDate(fields.issuedAt),
    ...(nonce === undefined ? {} : { nonce }),
    ...(accessToken === undefined ? {} : { ath: tokenHash(accessToken) }),
  }
  return signProof('dpop-proof', { jwk: { ...jwkFromSpki(signer.publicKey) } }, { claims, signer })
}

export interface WorkloadProofFields {
  /** The WIT-SVID that goes with it. */
  readonly identityToken: string
  /** The target URI of the request; query and fragment are left out. */
  readonly audience: string
  /** At most 60 s from now. */
  readonly expiresAt: Instant
  readonly id: string
  /** The token of the Authorization header, where there is one. */
  readonly accessToken?: string | undefined
  /** The token of the Txn-Token header, where there is one. */
  readonly transactionToken?: string | undefined
}

/** A Workload Proof Token (draft-ietf-wimse-wpt-00) by the key of a WIT-SVID. @throws what the signer rejects with */
export function signWorkloadProof(signer: Signer, fields: WorkloadProofFields): Promise<string> {
  const { accessToken, transactionToken } = fields
  const claims = {
    aud: fields.audience.split(/[?#]/, 1)[0] ?? '',
    exp: toNumericDate(fields.expiresAt),
    jti: fields.id,
    wth: tokenHash(fields.identityToken),
    ...(accessToken === undefined ? {} : { ath: tokenHash(accessToken) }),
    ...(transactionToken === undefined ? {} : { tth: tokenHash(transactionToken) }),
  }
  return signProof('workload-proof', {}, { claims, signer })
}

async function signProof(
  kind: TokenKind,
  header: JsonObject,
  { claims, signer }: { readonly claims: JsonObject; readonly signer: Signer },
): Promise<string> {
  const { algorithm } = signer
  const full = { typ: TOKEN_KINDS[kind].typ, alg: algorithm, ...header }
  const input = `${encode(full)}.${encode(claims)}`
  return finishCompact(input, await signer.sign(utf8(input)), algorithm)
}

function encode(value: JsonObject): string {
  return toBase64Url(utf8(JSON.stringify(value)))
}
