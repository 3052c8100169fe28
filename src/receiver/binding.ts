import type { Bytes } from '#kernel/bytes.ts'
import { sha256Hex } from '#kernel/digest.ts'
import { isWritError } from '#kernel/errors.ts'
import type { Instant } from '#kernel/instant.ts'
import { certificateThumbprint, DpopProof, spkiFromJwk, type TaskToken } from '#jwt/index.ts'
import { dpopProofs, type HttpRequest } from './authorization-header.ts'
import { receiverError } from './errors.ts'
import type { UsedProofs } from './used-proofs.ts'

/** RFC 8705 section 3. @throws RECEIVER_TOKEN_SCHEME_WRONG, RECEIVER_TOKEN_NOT_BOUND */
export function checkCertificate(token: TaskToken, peerCertificate: Bytes): void {
  const { method, thumbprint } = token.claims.confirmation
  // RFC 9449 section 7.2: what is bound to a DPoP key is no bearer token.
  if (method !== 'x5t#S256') throw receiverError('RECEIVER_TOKEN_SCHEME_WRONG')
  if (thumbprint !== certificateThumbprint(peerCertificate)) throw receiverError('RECEIVER_TOKEN_NOT_BOUND')
}

export interface DpopContext {
  /** The URL of this service. */
  readonly url: string
  readonly now: Instant
  readonly used: UsedProofs
}

/**
 * RFC 9449 sections 4.3 and 7.1: the request carries a proof by the key that the token is bound to, for this very
 * request and token, and nobody has used it. Resolves with that key's SubjectPublicKeyInfo as hex SHA-256.
 * @throws RECEIVER_TOKEN_SCHEME_WRONG, RECEIVER_DPOP_PROOF_INVALID with the reason in its details,
 *   RECEIVER_DPOP_PROOF_REPLAYED, RECEIVER_TOO_MANY_PROOFS
 */
export async function checkDpop(
  shown: { readonly request: HttpRequest; readonly text: string; readonly token: TaskToken },
  { url, now, used }: DpopContext,
): Promise<string> {
  const { request, text, token } = shown
  const { method, thumbprint: jkt } = token.claims.confirmation
  if (method !== 'jkt') throw receiverError('RECEIVER_TOKEN_SCHEME_WRONG')
  const rules = { method: request.method ?? '', uri: url + pathOf(request), now, bound: { accessToken: text, jkt } }
  const { key, replayKey, rememberUntil } = verify(dpopProofs(request), rules)
  if (!(await used.useFirst(replayKey, rememberUntil, now))) throw receiverError('RECEIVER_DPOP_PROOF_REPLAYED')
  return sha256Hex(spkiFromJwk(key))
}

function verify(...args: Parameters<typeof DpopProof.verify>): DpopProof {
  try {
    return DpopProof.verify(...args)
  } catch (cause) {
    if (!isWritError(cause)) throw cause
    throw receiverError('RECEIVER_DPOP_PROOF_INVALID', { details: { reason: cause.code }, cause })
  }
}

/** Without query. What names a host of its own, as requests to a proxy do, is no path of ours. */
function pathOf({ originalUrl, url }: HttpRequest): string {
  const target = (originalUrl ?? url ?? '').split('?', 1)[0] ?? ''
  if (target.startsWith('/')) return target
  throw receiverError('RECEIVER_DPOP_PROOF_INVALID', { details: { reason: 'DPOP_URI_WRONG' } })
}
