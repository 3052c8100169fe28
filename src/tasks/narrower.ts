import type { Instant } from '#kernel/instant.ts'
import type { AuthorizationDetail } from './records.ts'

/** Every dimension in which a token can be wider or narrower than another (promise 4). */
export interface Reach {
  readonly audience: string
  readonly authority: readonly AuthorizationDetail[]
  /** How many more tokens may be derived one from the other below it. */
  readonly remainingDepth: number
  readonly expiresAt: Instant
}

/** True when `child` is within `parent` on every dimension. A partial order: reflexive and transitive. */
export function isNarrower(child: Reach, parent: Reach): boolean {
  return (
    child.audience === parent.audience &&
    child.remainingDepth <= parent.remainingDepth &&
    child.expiresAt <= parent.expiresAt &&
    covers(parent.authority, child.authority)
  )
}

/**
 * True when each entry of `child` is within one single entry of `parent`. What only several entries together would
 * cover is not covered: a limit that holds for each of them need not hold for their sum.
 */
export function covers(parent: readonly AuthorizationDetail[], child: readonly AuthorizationDetail[]): boolean {
  return child.every((entry) => parent.some((other) => isWithin(entry, other)))
}

function isWithin(child: AuthorizationDetail, parent: AuthorizationDetail): boolean {
  return (
    child.resource === parent.resource &&
    child.actions.every((action) => parent.actions.includes(action)) &&
    hasFewerIdentifiers(child.identifiers, parent.identifiers) &&
    hasTighterConstraints(child.constraints ?? {}, parent.constraints ?? {})
  )
}

/** Absent means unrestricted, so leaving them out under a parent that has them widens. */
function hasFewerIdentifiers(child: readonly string[] | undefined, parent: readonly string[] | undefined): boolean {
  if (parent === undefined) return true
  return child !== undefined && child.every((identifier) => parent.includes(identifier))
}

/** Each limit of the parent is kept or lowered; further ones may be added. */
function hasTighterConstraints(
  child: Readonly<Record<string, number>>,
  parent: Readonly<Record<string, number>>,
): boolean {
  return Object.entries(parent).every(([key, limit]) => {
    const own = Object.hasOwn(child, key) ? child[key] : undefined
    return own !== undefined && own <= limit
  })
}
