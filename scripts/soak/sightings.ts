import type { Dead } from './verdicts.ts'

/** What whoever takes part in the soak has seen, for whoever judges it afterwards. */

/** Who decides: another agent by the bundle alone, a service on the feed, or the server itself. */
export type Where = 'peer' | 'service' | 'server'

/** A credential stands for the key that signed it: `x509:<key identifier>`, `access-token:<kid>`, `jwt-svid:<kid>`. */
export type KeyName = string

/** Something that was let in, many times; by the moment at which each attempt began. */
export interface Accepted {
  readonly where: Where
  readonly keys: readonly KeyName[]
  readonly starts: number[]
}

/** Something that should have worked, unless one of its keys had been taken back. */
export interface Failure {
  readonly what: 'handshake' | 'token' | 'call'
  readonly where: Where
  readonly keys: readonly KeyName[]
  /** When that was asked for which was shown: a token may be older than the attempt to use it. */
  readonly asked: number
  readonly from: number
  readonly to: number
  /** What was refused, and why: the codes. */
  readonly why: string
}

/** Something dead was shown on purpose, since a moment from which on nobody should take it. */
export interface Attempt {
  readonly what: Dead
  readonly where: Where
  readonly deadSince: number
  readonly at: number
  /** `accepted`, or the code of the refusal. */
  readonly outcome: string
}

export const ACCEPTED = 'accepted'

export interface Done {
  readonly handshakes: number
  readonly calls: number
  readonly tokens: number
  readonly svids: number
  readonly renewals: number
}

/** Since the last time. */
export interface Sightings {
  readonly done: Done
  readonly accepted: readonly Accepted[]
  readonly failures: readonly Failure[]
  readonly attempts: readonly Attempt[]
}
