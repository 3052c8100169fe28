import type { Bytes } from '#kernel/bytes.ts'
import { spiffeError } from './errors.ts'
import type { PublicJwk } from './public-jwk.ts'
import type { TrustDomain } from './spiffe-id.ts'

/** A signing certificate, as DER; whether it is one is for whoever builds paths to say. */
export interface X509Authority {
  readonly use: 'x509-svid'
  readonly certificate: Bytes
}

/** A token signing key; `kid` is unique across the bundle, both uses together (WIT-SVID section 6.1). */
export interface TokenAuthority {
  readonly use: 'jwt-svid' | 'wit-svid'
  readonly kid: string
  readonly key: PublicJwk
}

export type BundleEntry = X509Authority | TokenAuthority

export interface BundleFields {
  readonly trustDomain: TrustDomain
  readonly entries: readonly BundleEntry[]
  /** Grows whenever the contents change; 64 bits. */
  readonly sequence?: bigint | undefined
  /** Seconds. */
  readonly refreshHint?: number | undefined
}

export const MAX_BUNDLE_KEYS = 1000
export const MAX_SEQUENCE = 2n ** 64n - 1n
/** What a reader does without a hint: SPIFFE Trust Domain and Bundle section 6.1. */
export const DEFAULT_REFRESH_SECONDS = 300
const MAX_REFRESH_SECONDS = 2 ** 31

/** The trust bundle of one trust domain. No entries means that nothing of that domain is trusted (section 4.1.3). */
export class Bundle {
  readonly trustDomain: TrustDomain
  readonly entries: readonly BundleEntry[]
  readonly sequence: bigint | undefined
  readonly refreshHint: number | undefined
  readonly #tokenAuthorities: ReadonlyMap<string, TokenAuthority>

  /** @throws BUNDLE_TOO_MANY_KEYS, BUNDLE_DUPLICATE_KID, BUNDLE_MALFORMED for a number out of range or an empty kid */
  constructor(fields: BundleFields) {
    if (fields.entries.length > MAX_BUNDLE_KEYS) throw spiffeError('BUNDLE_TOO_MANY_KEYS')
    checkSequence(fields.sequence)
    checkRefreshHint(fields.refreshHint)
    this.trustDomain = fields.trustDomain
    this.entries = fields.entries
    this.sequence = fields.sequence
    this.refreshHint = fields.refreshHint
    this.#tokenAuthorities = indexTokenAuthorities(fields.entries)
  }

  /** DER certificates, in order. Empty: the domain does not support X509-SVID. */
  get x509Authorities(): readonly Bytes[] {
    return this.entries.flatMap((entry) => (entry.use === 'x509-svid' ? [entry.certificate] : []))
  }

  /** The token keys of one use, in order. Empty: the domain does not support that kind. */
  tokenAuthorities(use: TokenAuthority['use']): readonly TokenAuthority[] {
    return [...this.#tokenAuthorities.values()].filter((entry) => entry.use === use)
  }

  /** The key of that use and ID, or undefined. */
  tokenAuthority(use: TokenAuthority['use'], kid: string): TokenAuthority | undefined {
    const entry = this.#tokenAuthorities.get(kid)
    return entry?.use === use ? entry : undefined
  }
}

function checkSequence(sequence: bigint | undefined): void {
  if (sequence !== undefined && (sequence < 0n || sequence > MAX_SEQUENCE)) throw spiffeError('BUNDLE_MALFORMED')
}

function checkRefreshHint(seconds: number | undefined): void {
  if (seconds === undefined) return
  if (!Number.isInteger(seconds) || seconds < 0 || seconds > MAX_REFRESH_SECONDS) throw spiffeError('BUNDLE_MALFORMED')
}

function indexTokenAuthorities(entries: readonly BundleEntry[]): Map<string, TokenAuthority> {
  const index = new Map<string, TokenAuthority>()
  for (const entry of entries) {
    if (entry.use === 'x509-svid') continue
    if (entry.kid === '') throw spiffeError('BUNDLE_MALFORMED')
    if (index.has(entry.kid)) throw spiffeError('BUNDLE_DUPLICATE_KID', { details: { kid: entry.kid } })
    index.set(entry.kid, entry)
  }
  return index
}
