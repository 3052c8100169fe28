import type { Bytes } from '#kernel/bytes.ts'
import { instant, SECOND, toRfc3339, type Instant } from '#kernel/instant.ts'
import { derFault } from './fault.ts'
import type { DerReader } from './reader.ts'
import { TAG } from './tags.ts'

/** RFC 5280 section 4.1.2.5: UTCTime through 2049, GeneralizedTime from 2050. */
const FIRST_GENERALIZED = Date.UTC(2050, 0, 1)

/**
 * The Time of RFC 5280 section 4.1.2.5: UTC, seconds present, no fractions, the one type that its year requires.
 * @throws DER_TIME, also for moments before 1970, which `Instant` does not have
 */
export function readTime(reader: DerReader): Instant {
  const start = reader.offset
  const utc = reader.nextTag === TAG.utcTime
  const octets = reader.content(utc ? TAG.utcTime : TAG.generalizedTime)
  const digits = utc ? 12 : 14
  if (octets.length !== digits + 1 || octets[digits] !== 0x5a) throw derFault('DER_TIME', start)
  const moment = utc ? twoDigitYear(octets) : decimals(octets, 0, 4)
  const milliseconds = utcMilliseconds(moment, octets, digits - 10)
  if (!(milliseconds >= 0) || milliseconds >= FIRST_GENERALIZED === utc) throw derFault('DER_TIME', start)
  return instant(milliseconds)
}

/** GeneralizedTime of any year, as OCSP has it: UTC, seconds present, no fractions. @throws DER_TIME */
export function readGeneralizedTime(reader: DerReader): Instant {
  const start = reader.offset
  const octets = reader.content(TAG.generalizedTime)
  const milliseconds = utcMilliseconds(decimals(octets, 0, 4), octets, 4)
  if (octets.length !== 15 || octets[14] !== 0x5a || !(milliseconds >= 0)) throw derFault('DER_TIME', start)
  return instant(milliseconds)
}

function twoDigitYear(octets: Bytes): number {
  const year = decimals(octets, 0, 2)
  return year < 50 ? 2000 + year : 1900 + year
}

/** NaN for a date that the calendar does not have. */
function utcMilliseconds(year: number, octets: Bytes, offset: number): number {
  const month = decimals(octets, offset, 2)
  const day = decimals(octets, offset + 2, 2)
  const hour = decimals(octets, offset + 4, 2)
  const minute = decimals(octets, offset + 6, 2)
  const second = decimals(octets, offset + 8, 2)
  if (hour > 23 || minute > 59 || second > 59) return Number.NaN
  const milliseconds = Date.UTC(year, month - 1, day, hour, minute, second)
  const date = new Date(milliseconds)
  return date.getUTCMonth() === month - 1 && date.getUTCDate() === day ? milliseconds : Number.NaN
}

/** NaN when an octet is not a decimal digit. */
function decimals(octets: Bytes, offset: number, count: number): number {
  let value = 0
  for (let index = offset; index < offset + count; index++) {
    const digit = (octets[index] ?? 0) - 0x30
    value = digit >= 0 && digit <= 9 ? value * 10 + digit : Number.NaN
  }
  return value
}

/** The text of a GeneralizedTime. @throws DER_TIME unless the moment is a whole second */
export function generalizedText(moment: Instant): string {
  if (moment % SECOND !== 0) throw derFault('DER_TIME', 0)
  const text = toRfc3339(moment)
  const digits = text.slice(0, 4) + text.slice(5, 7) + text.slice(8, 10) + text.slice(11, 13) + text.slice(14, 16)
  return `${digits}${text.slice(17, 19)}Z`
}

/** The text and the tag of a Time. @throws DER_TIME unless the moment is a whole second */
export function timeText(moment: Instant): { tag: number; text: string } {
  const generalized = generalizedText(moment)
  return moment < FIRST_GENERALIZED
    ? { tag: TAG.utcTime, text: generalized.slice(2) }
    : { tag: TAG.generalizedTime, text: generalized }
}
