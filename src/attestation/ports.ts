import type { KeySet } from '#jwt/index.ts'
import type { JoinTokenRecord } from './records.ts'

/** Where the join-token attestor finds what operators have handed out. */
export interface JoinTokens {
  /** `hash` is SHA-256 of the token's secret part, hex. */
  findByHash(hash: string): Promise<JoinTokenRecord | null>
}

/** The keys of foreign issuers of tokens, by the name that the configuration gives the issuer. */
export interface IssuerKeys {
  /**
   * Runs `verify` with the issuer's keys. When it throws JWT_KEY_UNKNOWN they are fetched again, at most once within
   * ten seconds, and it runs again. Keys that cannot be fetched any more serve for a bounded time, then all is refused.
   * @throws what `verify` throws; ISSUER_…, OUTBOUND_… when there are no keys
   */
  verifyWith<Value>(issuer: string, verify: (keys: KeySet) => Value): Promise<Value>
}
