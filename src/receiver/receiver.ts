import type { Bytes } from '#kernel/bytes.ts'
import { isWritError } from '#kernel/errors.ts'
import type { Milliseconds } from '#kernel/instant.ts'
import type { KeyClass } from '#kernel/algorithms.ts'
import { MAX_SKEW, TaskToken } from '#jwt/index.ts'
import { SpiffeId } from '#spiffe/index.ts'
import { presentedChain } from '#x509/index.ts'
import { Access } from './access.ts'
import { AllowList } from './allow-list.ts'
import { presentedToken, type HttpRequest, type PresentedToken } from './authorization-header.ts'
import { checkCertificate, checkDpop } from './binding.ts'
import { momentOf, type ReceiverClock } from './clock.ts'
import { receiverError } from './errors.ts'
import type { Introspect } from './introspection.ts'
import { Peer } from './peer.ts'
import { resourceMetadataOf } from './resource-metadata.ts'
import { checkActive, requireAge, Revocation, type RevocationOptions, type Standing } from './revocation.ts'
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
  /** How this service knows what was taken back. Without it a token lives until it expires. */
  readonly revocation?: RevocationOptions
  /** Asked on every request, whatever `revocation` knows. */
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

/** What one request asks for beyond what the receiver does. */
export interface Demand {
  /** How old the view of what was revoked may be; it can only lower the limit of the receiver. */
  readonly maxViewAge?: Milliseconds | undefined
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
  readonly #revocation: Revocation | null
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
    this.#revocation = options.revocation === undefined ? null : new Revocation(options.revocation)
  }

  /**
   * Verifies the chain that a peer presented, DER, leaf first, and that nobody has taken it back. Here only the feed can
   * say so: the other ways know tokens.
   * @throws RECEIVER_CERTIFICATE_MISSING, RECEIVER_CERTIFICATE_INVALID, RECEIVER_CERTIFICATE_REVOKED, RECEIVER_TRUST_…,
   *   RECEIVER_VIEW_…
   */
  verifyCertificate(chain: readonly Bytes[], demand: Demand = {}): Peer {
    return this.#judge(Peer.verify(chain, this.#options.trust.current(), momentOf(this.#options.clock)), demand)
  }

  /**
   * The same for the peer of a connection, as it is now. What is over by itself, or was dead in an old view, is refused
   * as that, also while nobody could say that it is good.
   * @throws as verifyCertificate
   */
  verifyConnection(connection: object, demand: Demand = {}): Peer {
    return this.#judge(this.#verifiedPeer(connection), demand)
  }

  /**
   * Verifies a task token and that it is bound to the certificate of the connection (RFC 8705 section 3), and asks
   * whether it is still active where the receiver can.
   * @throws RECEIVER_TOKEN_INVALID with the reason in its details, RECEIVER_TOKEN_NOT_BOUND, RECEIVER_TOKEN_INACTIVE,
   *   RECEIVER_STATUS_UNKNOWN, RECEIVER_INTROSPECTION_FAILED, RECEIVER_TRUST_…, RECEIVER_VIEW_…
   */
  async verifyTaskToken(
    text: string,
    binding: { readonly peerCertificate: Bytes },
    demand: Demand = {},
  ): Promise<TaskToken> {
    return this.#verifyBearer(text, binding.peerCertificate, this.#standing(demand))
  }

  /**
   * Who sends this request, and under which task: over mTLS with a token that is bound to the certificate, or with a
   * DPoP proof by the key that the token is bound to. The certificate is checked again on every request of a
   * connection: its expiry and whether it was taken back always, its path whenever the trust changed.
   * @throws every RECEIVER_ code of the above, of `checkCertificate` and `checkDpop`, RECEIVER_TOKEN_MISSING,
   *   RECEIVER_AUTHORIZATION_MALFORMED, RECEIVER_DPOP_NOT_ACCEPTED, RECEIVER_CALLER_NOT_ALLOWED
   */
  async authenticate(request: HttpRequest, demand: Demand = {}): Promise<Access> {
    const presented = authorizationOf(request)
    const standing = this.#standing(demand)
    if (presented?.scheme === 'DPoP') return this.#authenticateSigned(request, presented.token, standing)
    const peer = this.#peerOf(request.socket, standing)
    this.#checkAllowed(peer.spiffeId)
    const token = await this.#verifyBearer(presentedToken(request).token, peer.certificate, standing)
    return this.#join(peer, token)
  }

  /** @throws RECEIVER_OPTIONS_INVALID for a limit that this receiver could not keep */
  requireKept({ maxViewAge }: Demand): void {
    if (maxViewAge === undefined) return
    requireAge(maxViewAge, 'maxViewAge')
    const { revocation, introspect } = this.#options
    if (revocation !== undefined || introspect !== undefined) return
    throw receiverError('RECEIVER_OPTIONS_INVALID', { details: { option: 'maxViewAge' } })
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

  async #authenticateSigned(request: HttpRequest, text: string, standing: Standing | null): Promise<Access> {
    const { url, clock } = this.#options
    if (url === undefined) throw receiverError('RECEIVER_DPOP_NOT_ACCEPTED')
    // A certificate on the connection says who calls, too, and must be good if it is there.
    const peer = presentedChain(request.socket).length === 0 ? null : this.#peerOf(request.socket, standing)
    const token = this.#verifySignedToken(text)
    this.#checkAllowed(SpiffeId.parse(token.actor))
    const key = await checkDpop({ request, text, token }, { url, now: momentOf(clock), used: this.#usedProofs })
    standing?.checkKey(key, token.claims.issuedAt)
    this.#checkKeyClass(token)
    await this.#checkActive(text, token, standing)
    return this.#join(peer, token)
  }

  async #verifyBearer(text: string, peerCertificate: Bytes, standing: Standing | null): Promise<TaskToken> {
    const token = this.#verifySignedToken(text)
    checkCertificate(token, peerCertificate)
    this.#checkKeyClass(token)
    await this.#checkActive(text, token, standing)
    return token
  }

  /** @throws RECEIVER_VIEW_… where nothing can say what was taken back */
  #standing({ maxViewAge }: Demand): Standing | null {
    return this.#revocation?.now(maxViewAge) ?? null
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

  #judge(peer: Peer, demand: Demand): Peer {
    this.#revocation?.checkKnown(peer.facts)
    this.#standing(demand)?.requireView()
    return peer
  }

  #peerOf(connection: object, standing: Standing | null): Peer {
    const peer = this.#verifiedPeer(connection)
    standing?.checkCertificate(peer.facts)
    return peer
  }

  #verifiedPeer(connection: object): Peer {
    const now = momentOf(this.#options.clock)
    const known = this.#connections.get(connection)
    if (known !== undefined && now > known.peer.expiresAt) throw expired()
    const trust = this.#options.trust.current()
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

  async #checkActive(text: string, token: TaskToken, standing: Standing | null): Promise<void> {
    const { trust, introspect } = this.#options
    const { keys, trustDomain } = trust.current()
    await standing?.checkToken(text, token, { keys, trustDomain: trustDomain.name })
    if (introspect !== undefined) await checkActive(introspect, text)
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

function expired(): Error {
  return receiverError('RECEIVER_CERTIFICATE_INVALID', { details: { reason: 'CERTIFICATE_EXPIRED' } })
}

function isBase(url: string): boolean {
  return /^https?:\/\/[^?#]+$/.test(url) && URL.canParse(url) && !url.endsWith('/')
}

/** @throws RECEIVER_OPTIONS_INVALID */
export function createReceiver(options: ReceiverOptions): Receiver {
  return new Receiver(options)
}
