import type { IssuerKeys } from '#attestation/index.ts'
import { decodeJwks, type KeySet } from '#jwt/index.ts'
import { isWritError } from '#kernel/errors.ts'
import { HOUR, MINUTE, SECOND, type Milliseconds } from '#kernel/instant.ts'
import type { JsonObject, JsonValue } from '#kernel/json.ts'
import { outboundError } from './errors.ts'
import type { Destination, Outbound } from './outbound.ts'

/** An issuer of tokens that is not ours. */
export interface ForeignIssuer {
  /** As configured. */
  readonly name: string
  /** The exact `iss`. */
  readonly issuer: string
  /** Pinned keys: nothing is ever fetched then. */
  readonly keys?: KeySet | undefined
  readonly ca?: string | undefined
  readonly allowPrivate: boolean
}

export interface IssuerKeysOptions {
  readonly outbound: Pick<Outbound, 'fetchJson'>
  readonly monotonic: () => Milliseconds
}

/** After this, keys are fetched again before they are used. */
export const FRESH: Milliseconds = 5 * MINUTE
/** While the issuer is away its last keys are good for so long, and nothing is afterwards. */
export const STALE: Milliseconds = HOUR
/** Nobody makes us ask one issuer more often, whatever key a token names. */
export const PAUSE: Milliseconds = 10 * SECOND

/** The keys of several issuers, fetched when needed. Nothing is fetched for a token of none of them. */
export function issuerKeys(issuers: readonly ForeignIssuer[], options: IssuerKeysOptions): IssuerKeys {
  const sources = new Map(issuers.map((issuer) => [issuer.name, new Source(issuer, options)]))
  return {
    verifyWith: async (name, verify) => {
      const source = sources.get(name)
      if (source === undefined) throw outboundError('ISSUER_UNKNOWN', { details: { issuer: name } })
      return source.verifyWith(verify)
    },
  }
}

interface Fetched {
  readonly keys: KeySet
  readonly at: Milliseconds
}

class Source {
  readonly #issuer: ForeignIssuer
  readonly #options: IssuerKeysOptions
  #fetched: Fetched | null = null
  #attempt: Promise<void> | null = null
  #attemptedAt: Milliseconds | null = null
  #failure: unknown = null

  constructor(issuer: ForeignIssuer, options: IssuerKeysOptions) {
    this.#issuer = issuer
    this.#options = options
  }

  async verifyWith<Value>(verify: (keys: KeySet) => Value): Promise<Value> {
    const pinned = this.#issuer.keys
    if (pinned !== undefined) return verify(pinned)
    const keys = await this.#keys()
    try {
      return verify(keys)
    } catch (error) {
      if (!isWritError(error, 'JWT_KEY_UNKNOWN')) throw error
      const newer = await this.#newerThan(keys)
      if (newer === null) throw error
      return verify(newer)
    }
  }

  /** @throws why there are no keys, or none that are young enough */
  async #keys(): Promise<KeySet> {
    if (this.#ageOf(this.#fetched) >= FRESH) await this.#refresh()
    const fetched = this.#fetched
    if (fetched === null || this.#ageOf(fetched) >= STALE) throw this.#failure
    return fetched.keys
  }

  /** A token names a key that we do not have: the issuer may have a new one. */
  async #newerThan(keys: KeySet): Promise<KeySet | null> {
    await this.#refresh()
    const newer = this.#fetched?.keys
    return newer === undefined || newer === keys ? null : newer
  }

  /** Whoever needs the keys at the same time waits for the same attempt; another begins after a pause only. */
  #refresh(): Promise<void> {
    if (this.#attempt !== null) return this.#attempt
    const now = this.#options.monotonic()
    if (this.#attemptedAt !== null && now - this.#attemptedAt < PAUSE) return Promise.resolve()
    this.#attemptedAt = now
    this.#attempt = this.#fetch().finally(() => (this.#attempt = null))
    return this.#attempt
  }

  async #fetch(): Promise<void> {
    try {
      const keys = await fetchKeys(this.#issuer, this.#options.outbound)
      this.#fetched = { keys, at: this.#options.monotonic() }
    } catch (error) {
      this.#failure = error
    }
  }

  #ageOf(fetched: Fetched | null): Milliseconds {
    return fetched === null ? Infinity : this.#options.monotonic() - fetched.at
  }
}

/**
 * OpenID Connect Discovery section 4: the document stands below the issuer, names this very issuer, and says where the
 * keys are; what it says is fetched under the same rules.
 * @throws OUTBOUND_…, ISSUER_MISMATCH, ISSUER_DISCOVERY_INVALID, ISSUER_KEYS_INVALID
 */
async function fetchKeys(issuer: ForeignIssuer, outbound: IssuerKeysOptions['outbound']): Promise<KeySet> {
  const { name, allowPrivate, ca } = issuer
  const at = (url: string): Destination => ({ url, ca, reach: allowPrivate ? 'private-too' : 'public' })
  const document = await outbound.fetchJson(at(`${issuer.issuer.replace(/\/$/, '')}/.well-known/openid-configuration`))
  const { issuer: named, jwks_uri: address } = isObject(document) ? document : {}
  const details = { issuer: name }
  if (typeof named !== 'string' || typeof address !== 'string') {
    throw outboundError('ISSUER_DISCOVERY_INVALID', { details })
  }
  if (named !== issuer.issuer) throw outboundError('ISSUER_MISMATCH', { details })
  const jwks = await outbound.fetchJson(at(address))
  try {
    return decodeJwks(JSON.stringify(jwks))
  } catch (cause) {
    if (!isWritError(cause)) throw cause
    throw outboundError('ISSUER_KEYS_INVALID', { cause, details: { ...details, why: cause.code } })
  }
}

function isObject(value: JsonValue): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
