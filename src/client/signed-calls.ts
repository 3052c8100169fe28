import type { Clock } from '#kernel/clock.ts'
import { isWritError } from '#kernel/errors.ts'
import type { JsonValue } from '#kernel/json.ts'
import type { Random } from '#kernel/random.ts'
import type { Secret } from '#kernel/secret.ts'
import type { ApiCall } from './api-call.ts'
import { clientError } from './errors.ts'
import type { Identity } from './identity.ts'
import { signerOf } from './identity-key.ts'
import { createDpopProof, createWpt, type Prover } from './proofs.ts'

/** What acting as an identity takes besides the identity. */
export interface Means {
  readonly clock: Clock
  readonly random: Random
}

export function proverOf(identity: Pick<Identity, 'key'>, { clock, random }: Means): Prover {
  return { signer: signerOf(identity.key), clock, random }
}

type Send = (call: ApiCall) => Promise<JsonValue>

/**
 * Calls of an identity whose key cannot enter TLS: each carries the WIT-SVID and a proof of its key for this one
 * request, and what asks for a token binds the token to that key.
 */
export class SignedCalls {
  readonly #wit: Secret<string>
  readonly #prover: Prover
  #nonce: string | undefined

  /** @throws KEY_IN_HARDWARE when the server has given no WIT-SVID for the key */
  constructor(identity: Identity, means: Means) {
    if (identity.witSvid === null) throw clientError('KEY_IN_HARDWARE')
    this.#wit = identity.witSvid
    this.#prover = proverOf(identity, means)
  }

  /** `publicUrl` is what the server calls itself: it may be reached by another address. */
  async signed(call: ApiCall, publicUrl: string): Promise<ApiCall> {
    const proof = await createWpt(this.#prover, { wit: this.#wit, url: urlOf(publicUrl, call) })
    const headers = { 'workload-identity-token': this.#wit.reveal(), 'workload-proof-token': proof }
    return { ...call, headers: { ...call.headers, ...headers } }
  }

  /** Asks the token endpoint with a DPoP proof, and once more with the nonce that the server wants in it. */
  async bound(call: ApiCall, publicUrl: string, send: Send): Promise<JsonValue> {
    try {
      return await send(await this.#withDpop(call, publicUrl))
    } catch (error) {
      if (!isWritError(error, 'DPOP_NONCE_REQUIRED', 'DPOP_NONCE_INVALID', 'use_dpop_nonce')) throw error
      return send(await this.#withDpop(call, publicUrl))
    }
  }

  async #withDpop(call: ApiCall, publicUrl: string): Promise<ApiCall> {
    const { method } = call
    const proof = await createDpopProof(this.#prover, { method, url: urlOf(publicUrl, call), nonce: this.#nonce })
    const answered = (header: (name: string) => string | undefined): void => {
      this.#nonce = header('dpop-nonce') ?? this.#nonce
    }
    return { ...call, headers: { ...call.headers, dpop: proof }, answered }
  }
}

function urlOf(publicUrl: string, { path }: ApiCall): string {
  return new URL(path, publicUrl).toString()
}
