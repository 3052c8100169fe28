import type { JoinTokenRecord } from './records.ts'

/** Where the join-token attestor finds what operators have handed out. */
export interface JoinTokens {
  /** `hash` is SHA-256 of the token's secret part, hex. */
  findByHash(hash: string): Promise<JoinTokenRecord | null>
}
