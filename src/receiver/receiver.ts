import type { Bytes } from '#kernel/bytes.ts'
import { isWritError } from '#kernel/errors.ts'
import type { Milliseconds } from '#kernel/instant.ts'
import { MAX_SKEW, TaskToken } from '#jwt/index.ts'
import { Access, checkBinding } from './access.ts'
import { AllowList } from './allow-list.ts'
import { bearerToken, type HttpRequest } from './authorization-header.ts'
import { momentOf, type ReceiverClock } from './clock.ts'
import { presentedChain } from './connection.ts'
import { receiverError } from './errors.ts'
import type { Introspect } from './introspection.ts'
import { Peer } from './peer.ts'
import type { Trust, TrustSource } from './trust.ts'

export interface ReceiverOptions {
  /** The registered name of this service: the sole `aud` of the tokens that it takes. */
  readonly audience: string
  /** The issuer's public URL, exactly as it stands in `iss`. */
  readonly issuer: string
  readonly trust: TrustSource
  /** SPIFFE IDs of instances, or of agents with all their instances. Empty lets nobody in. */
  readonly allow: readonly string[]
  readonly clock: ReceiverClock
  /** The constraints that this service enforces; a token with any other is refused. */
  readonly constraints?: readonly string[]
  /** How far the clocks may differ, at most 60 s. */
  readonly skew?: Milliseconds
  /** Asked on every request, so that a completed task is refused at once. Without it a token lives until it expires. */
  readonly introspect?: Introspect
}

interface VerifiedConnection {
  readonly peer: Peer
  readonly trust: Trust
  readonly at: number
}

/** What a service asks who calls it, and what for. Everything that is not allowed is denied. */
export class Receiver {
  readonly #options: ReceiverOptions
  readonly #allow: AllowList
  readonly #connections = new WeakMap<object, VerifiedConnection>()

  constructor(options: ReceiverOptions) {
    const { audience, issuer, skew = MAX_SKEW } = options
    const wrong = Object.entries({
      audience: audience === '',
      issuer: issuer === '',
      skew: !(skew >= 0 && skew <= MAX_SKEW),
    })
    for (const [option, isWrong] of wrong) {
      if (isWrong) throw receiverError('RECEIVER_OPTIONS_INVALID', { details: { option } })
    }
    this.#options = options
    this.#allow = new AllowList(options.allow)
  }

  /**
   * Verifies the chain that a peer presented, DER, leaf first.
   * @throws RECEIVER_CERTIFICATE_MISSING, RECEIVER_CERTIFICATE_INVALID, RECEIVER_TRUST_MISSING, RECEIVER_TRUST_STALE
   */
  verifyCertificate(chain: readonly Bytes[]): Peer {
    return Peer.verify(chain, this.#options.trust.current(), momentOf(this.#options.clock))
  }

  /**
   * Verifies a task token and that it is bound to the certificate of the connection (RFC 8705 section 3), and asks
   * whether it is still active where the receiver can.
   * @throws RECEIVER_TOKEN_INVALID with the reason in its details, RECEIVER_TOKEN_NOT_BOUND, RECEIVER_TOKEN_INACTIVE,
   *   RECEIVER_INTROSPECTION_FAILED, RECEIVER_TRUST_MISSING, RECEIVER_TRUST_STALE
   */
  async verifyTaskToken(text: string, binding: { readonly peerCertificate: Bytes }): Promise<TaskToken> {
    const token = this.#verifySignedToken(text)
    checkBinding(token, binding.peerCertificate)
    await this.#checkActive(text)
    return token
  }

  /**
   * Who sends this request, and under which task. The certificate is checked again on every request of a connection:
   * its expiry always, its path whenever the trust changed.
   * @throws every RECEIVER_ code of the two above, RECEIVER_TOKEN_MISSING, RECEIVER_AUTHORIZATION_MALFORMED,
   *   RECEIVER_CALLER_NOT_ALLOWED
   */
  async authenticate(request: HttpRequest): Promise<Access> {
    const peer = this.#peerOf(request.socket)
    if (!this.#allow.allows(peer.spiffeId)) throw receiverError('RECEIVER_CALLER_NOT_ALLOWED')
    const token = await this.verifyTaskToken(bearerToken(request), { peerCertificate: peer.certificate })
    return Access.join(peer, token, this.#options.constraints ?? [])
  }

  #peerOf(connection: object): Peer {
    const [trust, now] = [this.#options.trust.current(), momentOf(this.#options.clock)]
    const known = this.#connections.get(connection)
    if (known?.trust === trust && known.at <= now && now <= known.peer.expiresAt) return known.peer
    const peer = Peer.verify(presentedChain(connection), trust, now)
    this.#connections.set(connection, { peer, trust, at: now })
    return peer
  }

  #verifySignedToken(text: string): TaskToken {
    const { issuer, audience, skew = MAX_SKEW, trust, clock } = this.#options
    const { keys } = trust.current()
    try {
      return TaskToken.verify(text, { keys, issuer, audience, now: momentOf(clock), skew })
    } catch (cause) {
      if (!isWritError(cause)) throw cause
      throw receiverError('RECEIVER_TOKEN_INVALID', { details: { reason: cause.code }, cause })
    }
  }

  async #checkActive(text: string): Promise<void> {
    if (this.#options.introspect === undefined) return
    let active: unknown
    try {
      active = (await this.#options.introspect(text)).active
    } catch (cause) {
      throw receiverError('RECEIVER_INTROSPECTION_FAILED', { cause })
    }
    // Anything but the one right answer denies.
    if (active !== true) throw receiverError('RECEIVER_TOKEN_INACTIVE')
  }
}

/** @throws RECEIVER_OPTIONS_INVALID */
export function createReceiver(options: ReceiverOptions): Receiver {
  return new Receiver(options)
}
