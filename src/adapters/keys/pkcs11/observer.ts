import type { Reason } from './protocol.ts'

/** How the keys of a token fare. `down`: the breaker is open, and nothing is signed. */
export type TokenState = 'closed' | 'up' | 'recovering' | 'down'

export type SignatureOutcome = 'made' | 'made-again' | 'wrong' | 'failed' | 'refused'

/** A rung of the ladder of recovery. */
export type Rung = 'session' | 'login' | 'rebuild'

/** Whoever measures and logs. `token` is the name that the configuration gives it. */
export interface KeyObserver {
  signature(token: string, outcome: SignatureOutcome, milliseconds: number): void
  recovery(token: string, rung: Rung, succeeded: boolean): void
  state(token: string, state: TokenState, reason: Reason | null): void
  /** Something about a key that an operator may want to know. */
  remark(token: string, key: string, remark: 'not-made-in-token' | 'was-extractable'): void
}

const nothing = (): undefined => undefined

export const NO_OBSERVER: KeyObserver = { signature: nothing, recovery: nothing, state: nothing, remark: nothing }
