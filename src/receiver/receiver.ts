import type { Bytes } from '#kernel/bytes.ts'
import { isWritError } from '#kernel/errors.ts'
import type { Milliseconds } from '#kernel/instant.ts'
import type { KeyClass } from '#kernel/algorithms.ts'
import { MAX_SKEW, TaskToken } from '#jwt/index.ts'
import { SpiffeId } from '#spiffe/index.ts'
import { Access } from './access.ts'
import { AllowList } from './allow-list.ts'
import { presentedToken, type HttpRequest, type PresentedToken } from './authorization-header.ts'
import { checkCertificate, checkDpop } from './binding.ts'
import { momentOf, type ReceiverClock } from './clock.ts'
import { presentedChain } from './connection.ts'
import { receiverError } from './errors.ts'
import type { Introspect } from './introspection.ts'
import { Peer } from './peer.ts'
import { resourceMetadataOf } from './resource-metadata.ts'
import type { Trust, TrustSource } from './trust.ts'
import { UsedProofsInMemory, type UsedProofs } from './used-proofs.ts'

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
  /**
   * Where this service is reached, without a path's trailing slash: `https://billing.example.org`. With it tokens that
   * are bound to a DPoP key are taken, from callers whose key cannot enter TLS.
   */
  readonly url?: string
  /** Which DPoP proofs were used; in memory unless given. */
  readonly usedProofs?: UsedProofs
  /** Where the key must be kept that a token is bound to; any place unless given. */
  readonly keyClasses?: readonly KeyClass[]
  /** Whether only an attested key class counts, and no declared one. */
  readonly attestedKeys?: boolean
  /** URL of this service's metadata (RFC 9728), for challenges. */
  readonly resourceMetadata?: string
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
  readonly #usedProofs: UsedProofs
  readonly #connections = new WeakMap<object, VerifiedConnection>()

  constructor(options: ReceiverOptions) {
    const { audience, issuer, skew = MAX_SKEW } = options
    const wrong = Object.entries({
      audience: audience === '',
      issuer: issuer === '',
      skew: !(skew >= 0 && skew <= MAX_SKEW),
      url: options.url !== undefined && !isBase(options.url),
    })
    for (const [option, isWrong] of wrong) {
      if (isWrong) throw receiverError('RECEIVER_OPTIONS_INVALID', { details: { option } })
    }
    this.#options = options
    this.#allow = new AllowList(options.allow)
    this.#usedProofs = options.usedProofs ?? new UsedProofsInMemory()
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
    checkCertificate(token, binding.peerCertificate)
    this.#checkKeyClass(token)
    await this.#checkActive(text)
    return token
  }

  /**
   * Who sends this request, and under which task: over mTLS with a token that is bound to the certificate, or with a
   * DPoP proof by the key that the token is bound to. The certificate is checked again on every request of a
   * connection: its expiry always, its path whenever the trust changed.
   * @throws every RECEIVER_ code of the two above, of `checkCertificate` and `checkDpop`, RECEIVER_TOKEN_MISSING,
   *   RECEIVER_AUTHORIZATION_MALFORMED, RECEIVER_DPOP_NOT_ACCEPTED, RECEIVER_CALLER_NOT_ALLOWED
   */
  async authenticate(request: HttpRequest): Promise<Access> {
    const presented = authorizationOf(request)
    if (presented?.scheme === 'DPoP') return this.#authenticateSigned(request, presented.token)
    const peer = this.#peerOf(request.socket)
    this.#checkAllowed(peer.spiffeId)
    const token = await this.verifyTaskToken(presentedToken(request).token, { peerCertificate: peer.certificate })
    return this.#join(peer, token)
  }

  /** What challenges say of this service (RFC 6750, RFC 9449, RFC 9728). */
  get challenge(): { readonly dpop: boolean; readonly resourceMetadata: string | undefined } {
    return { dpop: this.#options.url !== undefined, resourceMetadata: this.#options.resourceMetadata }
  }

  /** The protected resource metadata of this service (RFC 9728 section 2), to be served where `resourceMetadata` says. */
  metadata(): Readonly<Record<string, unknown>> {
    const { audience, issuer, url } = this.#options
    return resourceMetadataOf({ audience, issuer, dpop: url !== undefined })
  }

  async #authenticateSigned(request: HttpRequest, text: string): Promise<Access> {
    const { url, clock } = this.#options
    if (url === undefined) throw receiverError('RECEIVER_DPOP_NOT_ACCEPTED')
    // A certificate on the connection says who calls, too, and must be good if it is there.
    const peer = presentedChain(request.socket).length === 0 ? null : this.#peerOf(request.socket)
    const token = this.#verifySignedToken(text)
    this.#checkAllowed(SpiffeId.parse(token.actor))
    await checkDpop({ request, text, token }, { url, now: momentOf(clock), used: this.#usedProofs })
    this.#checkKeyClass(token)
    await this.#checkActive(text)
    return this.#join(peer, token)
  }

  #join(peer: Peer | null, token: TaskToken): Access {
    return Access.join({ peer, token, knownConstraints: this.#options.constraints ?? [] })
  }

  #checkAllowed(caller: SpiffeId): void {
    if (!this.#allow.allows(caller)) throw receiverError('RECEIVER_CALLER_NOT_ALLOWED')
  }

  #checkKeyClass({ claims: { attestation } }: TaskToken): void {
    const { keyClasses, attestedKeys = false } = this.#options
    const isAllowed = keyClasses?.includes(attestation.keyClass) ?? true
    const isKnownWell = !attestedKeys || attestation.keyClassSource === 'attested'
    if (!isAllowed || !isKnownWell) throw receiverError('RECEIVER_KEY_CLASS_NOT_ALLOWED')
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

/** Null where it is missing or malformed: whoever has no certificate is told of that first. */
function authorizationOf(request: HttpRequest): PresentedToken | null {
  try {
    return presentedToken(request)
  } catch (error) {
    if (isWritError(error, 'RECEIVER_TOKEN_MISSING', 'RECEIVER_AUTHORIZATION_MALFORMED')) return null
    throw error
  }
}

function isBase(url: string): boolean {
  return /^https?:\/\/[^?#]+$/.test(url) && URL.canParse(url) && !url.endsWith('/')
}

/** @throws RECEIVER_OPTIONS_INVALID */
export function createReceiver(options: ReceiverOptions): Receiver {
  return new Receiver(options)
}
