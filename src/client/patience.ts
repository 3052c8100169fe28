import { setTimeout as sleep } from 'node:timers/promises'
import { isWritError } from '#kernel/errors.ts'
import { SECOND, type Milliseconds } from '#kernel/instant.ts'

/**
 * What is refused for a moment only: something was taken back, and nothing is issued until that moment has passed; or an
 * authority was, and the replica that was asked has yet to hear of its successor.
 */
const PASSING = ['ISSUANCE_PAUSED', 'ISSUANCE_CUT_OFF', 'ISSUANCE_AUTHORITY_CHANGED'] as const
const WAITS = 2
const SHORTEST: Milliseconds = SECOND
const LONGEST: Milliseconds = 5 * SECOND

/**
 * Asks again after as long as the server advises, twice at most: whoever asks within a second of a revocation that does
 * not mean it should not notice. `ask` starts from its beginning, with proofs of its own. What is cut off for ever is
 * refused all the same, some seconds later. With `isHome` it is our own server that is asked.
 */
export async function patiently<Answer>(ask: () => Promise<Answer>, { isHome = false } = {}): Promise<Answer> {
  for (let left = WAITS; ; left--) {
    try {
      return await ask()
    } catch (error) {
      const wait = left === 0 ? null : adviceOf(error, isHome && left === WAITS)
      if (wait === null) throw error
      await sleep(wait)
    }
  }
}

/**
 * Null when waiting would not help. A server that is not trusted was sent nothing; where its authority was tainted a
 * moment ago, the bundle may have come from a replica that heard of it sooner than the one that was asked.
 */
function adviceOf(error: unknown, mayBeBehind: boolean): Milliseconds | null {
  if (mayBeBehind && isWritError(error, 'SERVER_NOT_TRUSTED')) return SHORTEST
  if (!isWritError(error, ...PASSING)) return null
  const { retry_after: seconds } = error.details
  return typeof seconds === 'number' ? Math.min(Math.max(seconds * SECOND, SHORTEST), LONGEST) : null
}
