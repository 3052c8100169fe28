import { after, DAY, instant, MINUTE, type Instant, type Milliseconds } from '#kernel/instant.ts'

/** The life of an authority certificate unless configured; also the longest for an issuing authority. */
export const AUTHORITY_LIFETIME: Milliseconds = 30 * DAY
export const ROOT_LIFETIME: Milliseconds = 3650 * DAY
/** What `spiffe_refresh_hint` says, in seconds. */
export const REFRESH_HINT_SECONDS = 300

const LONGEST_PREPARATION: Milliseconds = 30 * DAY
const LONGEST_OVERLAP: Milliseconds = 7 * DAY
/** For how long a cache may hand on the bundle and the keys that were published: nobody is told of a change sooner. */
export const PUBLISHED_MAX_AGE: Milliseconds = MINUTE
/** Everybody who follows the refresh hint has fetched the bundle twice by then. */
export const PROPAGATION: Milliseconds = 10 * MINUTE

export interface Life {
  readonly notBefore: Instant
  readonly notAfter: Instant
}

/** The next authority is made and published at half of the life, at most 30 days before the end. */
export function prepareAt(life: Life): Instant {
  return beforeEnd(life, Math.min((life.notAfter - life.notBefore) / 2, LONGEST_PREPARATION))
}

/** The next authority takes over when a sixth of the life is left, at most 7 days before the end. */
export function activateAt(life: Life): Instant {
  return beforeEnd(life, Math.min((life.notAfter - life.notBefore) / 6, LONGEST_OVERLAP))
}

/** Nothing that the authority signed is in force any more once its longest leaf has ended. */
export function retireAt(supersededAt: Instant, longestLeaf: Milliseconds): Instant {
  return after(supersededAt, longestLeaf + PROPAGATION)
}

/** Whether what was published then has reached everybody who follows the refresh hint. */
export function hasPropagated(publishedAt: Instant, now: Instant): boolean {
  return now >= publishedAt + PROPAGATION
}

function beforeEnd(life: Life, length: Milliseconds): Instant {
  return instant(Math.ceil(life.notAfter - length))
}
