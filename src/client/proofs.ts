import { signDpopProof, signWorkloadProof } from '#jwt/index.ts'
import { toBase64Url } from '#kernel/bytes.ts'
import type { Clock } from '#kernel/clock.ts'
import { after, SECOND, type Milliseconds } from '#kernel/instant.ts'
import type { Random } from '#kernel/random.ts'
import type { Secret } from '#kernel/secret.ts'
import type { Signer } from '#kernel/signer.ts'

/** Short, and with room for clocks that differ: a server takes no proof that is good for more than 60 s. */
const LIFETIME: Milliseconds = 30 * SECOND
const ID_BYTES = 16

/** A key that may live anywhere, and what a proof needs besides. */
export interface Prover {
  readonly signer: Signer
  readonly clock: Clock
  readonly random: Random
}

/** The request that a proof is for. */
export interface DpopRequest {
  readonly method: string
  readonly url: string
  /** What the server gave in `DPoP-Nonce`. */
  readonly nonce?: string | undefined
  /** The token that the request carries. */
  readonly accessToken?: Secret<string>
}

/**
 * The `DPoP` header of one request (RFC 9449): proves the key that the token is, or will be, bound to. Make a new one
 * for each request.
 * @throws what the signer rejects with
 */
export function createDpopProof(prover: Prover, { method, url, nonce, accessToken }: DpopRequest): Promise<string> {
  const { signer, clock, random } = prover
  const proof = { method, uri: url, nonce, accessToken: accessToken?.reveal() }
  return signDpopProof(signer, { ...proof, issuedAt: clock.now(), id: newId(random) })
}

export interface WptRequest {
  /** The WIT-SVID for the prover's key. */
  readonly wit: Secret<string>
  readonly url: string
  /** The token of the Authorization header, where there is one. */
  readonly accessToken?: Secret<string>
}

/**
 * The `Workload-Proof-Token` header of one request (WIMSE WPT), to go with `Workload-Identity-Token`. Make a new one
 * for each request.
 * @throws what the signer rejects with
 */
export function createWpt(prover: Prover, { wit, url, accessToken }: WptRequest): Promise<string> {
  const { signer, clock, random } = prover
  return signWorkloadProof(signer, {
    identityToken: wit.reveal(),
    audience: url,
    expiresAt: after(clock.now(), LIFETIME),
    id: newId(random),
    accessToken: accessToken?.reveal(),
  })
}

function newId(random: Random): string {
  return toBase64Url(random.bytes(ID_BYTES))
}
