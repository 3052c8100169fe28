import type { Caller, Peer } from '#authentication/index.ts'
import type { WritError } from '#kernel/errors.ts'

/** A refusal at the door, before any story began. `caller` is null when nobody was authenticated. */
export interface Refusal {
  readonly caller: Caller | null
  readonly operation: string
  readonly error: WritError
}

/** What the API needs to tell callers apart. */
export interface CallerFlows {
  readonly authenticate: (peer: Peer) => Promise<Caller>
  readonly authenticateForRenewal: (peer: Peer) => Promise<Caller>
  /** Writes the denial down: a leaf of its own for a known caller, a count for an unknown one. */
  readonly recordRefusal: (refusal: Refusal) => Promise<void>
}

/** The stories, bound to their ports. */
export type Flows = CallerFlows
