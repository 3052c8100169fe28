import { kernelError } from './errors.ts'

declare const instantBrand: unique symbol

/** A moment: whole milliseconds since the Unix epoch, UTC. The store keeps it as BigInt milliseconds. */
export type Instant = number & { readonly [instantBrand]: true }

/** A length of time in whole milliseconds. */
export type Milliseconds = number

export const SECOND: Milliseconds = 1_000
export const MINUTE: Milliseconds = 60_000
export const HOUR: Milliseconds = 3_600_000
export const DAY: Milliseconds = 86_400_000

/** 9999-12-31T23:59:59Z, the last moment that X.509 and RFC 3339 can both say. */
const LATEST = 253_402_300_799_000

/** @throws INVALID_INSTANT unless `milliseconds` is a whole number within years 1970 to 9999 */
export function instant(milliseconds: number): Instant {
  if (!Number.isSafeInteger(milliseconds) || milliseconds < 0 || milliseconds > LATEST) {
    throw kernelError('INVALID_INSTANT')
  }
  return milliseconds as Instant
}

export function after(start: Instant, length: Milliseconds): Instant {
  return instant(start + length)
}

export function earliest(first: Instant, ...others: readonly Instant[]): Instant {
  return Math.min(first, ...others) as Instant
}

/** The same moment without its milliseconds: X.509 times and NumericDate cannot carry them. */
export function wholeSecond(moment: Instant): Instant {
  return (moment - (moment % SECOND)) as Instant
}

/** RFC 3339, UTC, as in every JSON body of ours: `2026-11-20T10:00:00.000Z`. */
export function toRfc3339(moment: Instant): string {
  return new Date(moment).toISOString()
}

const RFC3339_UTC = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,3})?Z$/

/** @throws INVALID_INSTANT for anything but RFC 3339 in UTC with at most milliseconds */
export function fromRfc3339(text: string): Instant {
  const milliseconds = RFC3339_UTC.test(text) ? Date.parse(text) : Number.NaN
  const moment = instant(milliseconds)
  // Date.parse rolls 31 February over into March; the round trip shows it.
  if (!toRfc3339(moment).startsWith(text.slice(0, 19))) throw kernelError('INVALID_INSTANT')
  return moment
}

/** RFC 7519 section 2 NumericDate: whole seconds, rounded down. */
export function toNumericDate(moment: Instant): number {
  return Math.floor(moment / SECOND)
}

/** @throws INVALID_INSTANT unless `seconds` is a whole non-negative number in range */
export function fromNumericDate(seconds: number): Instant {
  return instant(seconds * SECOND)
}
