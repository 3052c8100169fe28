import { spiffeError } from './errors.ts'
import { checkSegment, checkTrustDomainName, MAX_SPIFFE_ID_BYTES } from './names.ts'

const SCHEME = 'spiffe://'

/** The part of a SPIFFE ID before the path. One that exists is valid. */
export class TrustDomain {
  readonly #name: string

  private constructor(name: string) {
    this.#name = name
  }

  /**
   * The name alone, without scheme. Upper case is refused, as go-spiffe does (SPIFFE-ID section 2.1).
   * @throws TRUST_DOMAIN_EMPTY, TRUST_DOMAIN_TOO_LONG, TRUST_DOMAIN_CHARACTER
   */
  static parse(name: string): TrustDomain {
    checkTrustDomainName(name)
    return new TrustDomain(name)
  }

  get name(): string {
    return this.#name
  }

  /** The SPIFFE ID of the trust domain itself, which has no path (SPIFFE-ID section 3.1). */
  id(): SpiffeId {
    return SpiffeId.of(this)
  }

  equals(other: TrustDomain): boolean {
    return this.#name === other.#name
  }

  toString(): string {
    return this.#name
  }

  toJSON(): string {
    return this.#name
  }
}

/** A SPIFFE ID (SPIFFE-ID section 2). One that exists is valid, and has one spelling only. */
export class SpiffeId {
  readonly #trustDomain: TrustDomain
  readonly #text: string

  private constructor(trustDomain: TrustDomain, text: string) {
    this.#trustDomain = trustDomain
    this.#text = text
  }

  /**
   * Refuses every other spelling of an ID: upper-case scheme or domain, user, port, query, fragment, percent-encoding.
   * @throws SPIFFE_ID_TOO_LONG, SPIFFE_ID_SCHEME, SPIFFE_ID_TRAILING_SLASH and what the names throw
   */
  static parse(text: string): SpiffeId {
    if (text.length > MAX_SPIFFE_ID_BYTES) throw spiffeError('SPIFFE_ID_TOO_LONG')
    if (!text.startsWith(SCHEME)) throw spiffeError('SPIFFE_ID_SCHEME')
    const slash = text.indexOf('/', SCHEME.length)
    const trustDomain = TrustDomain.parse(text.slice(SCHEME.length, slash === -1 ? undefined : slash))
    if (slash !== -1) {
      if (text.endsWith('/')) throw spiffeError('SPIFFE_ID_TRAILING_SLASH')
      text
        .slice(slash + 1)
        .split('/')
        .forEach(checkSegment)
    }
    return new SpiffeId(trustDomain, text)
  }

  /** @throws SPIFFE_ID_EMPTY_SEGMENT, SPIFFE_ID_DOT_SEGMENT, SPIFFE_ID_PATH_CHARACTER, SPIFFE_ID_TOO_LONG */
  static of(trustDomain: TrustDomain, ...segments: readonly string[]): SpiffeId {
    segments.forEach(checkSegment)
    const text = SCHEME + [trustDomain.name, ...segments].join('/')
    if (text.length > MAX_SPIFFE_ID_BYTES) throw spiffeError('SPIFFE_ID_TOO_LONG')
    return new SpiffeId(trustDomain, text)
  }

  get trustDomain(): TrustDomain {
    return this.#trustDomain
  }

  /** Empty, or begins with a slash. */
  get path(): string {
    return this.#text.slice(SCHEME.length + this.#trustDomain.name.length)
  }

  get segments(): readonly string[] {
    return this.path === '' ? [] : this.path.slice(1).split('/')
  }

  equals(other: SpiffeId): boolean {
    return this.#text === other.#text
  }

  isMemberOf(trustDomain: TrustDomain): boolean {
    return this.#trustDomain.equals(trustDomain)
  }

  toString(): string {
    return this.#text
  }

  toJSON(): string {
    return this.#text
  }
}
