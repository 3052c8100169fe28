import { utf8 } from '#kernel/bytes.ts'
import { sha256 } from '#kernel/digest.ts'
import { after, instant, MINUTE, SECOND, type Instant, type Milliseconds } from '#kernel/instant.ts'
import type { AuthorityRecord } from './records.ts'
import type { Life } from './thresholds.ts'

/** From when to when a certificate is best renewed; in the past where it is to be renewed at once. */
export interface RenewalWindow {
  readonly start: Instant
  readonly end: Instant
}

export interface RenewalFacts {
  readonly serial: string
  readonly life: Life
  /** Somebody has taken the certificate back. */
  readonly isRevoked: boolean
  /** Who signed it. */
  readonly authority: Pick<AuthorityRecord, 'state' | 'activatedAt'>
  /** When the authority that signs today began to; null where none does. */
  readonly activeSince: Instant | null
}

/** Within so long everybody leaves an authority that was superseded: their certificates are good still. */
export const SUPERSEDED_SPREAD: Milliseconds = 30 * MINUTE
/** A window is a slice of this many of the whole. */
const SLICES = 10

/**
 * When a certificate is best renewed (RFC 9773, for a certificate of ours). Around half of its life; earlier when its
 * authority was superseded; at once when it is taken back or nobody is to trust its authority. Certificates issued at
 * the same moment have different windows, the same one each time that it is asked for. Pure.
 */
export function renewalWindow(facts: RenewalFacts): RenewalWindow {
  const { serial, life, isRevoked, authority, activeSince } = facts
  if (isRevoked || authority.state === 'tainted' || authority.state === 'retired') {
    return { start: life.notBefore, end: after(life.notBefore, SECOND) }
  }
  const length = life.notAfter - life.notBefore
  const usual = { start: life.notBefore + length * 0.45, end: life.notBefore + length * 0.55 }
  if (!isSuperseded(authority) || activeSince === null) return sliceOf(usual, serial)
  const since = Math.max(activeSince, life.notBefore)
  const soon = { start: since, end: Math.min(since + SUPERSEDED_SPREAD, usual.start) }
  return sliceOf(soon.end > soon.start ? soon : usual, serial)
}

/** It has signed and signs no more: its successor was activated, or a rollback has put its predecessor back. */
function isSuperseded({ state, activatedAt }: RenewalFacts['authority']): boolean {
  return state === 'retiring' || (state === 'published' && activatedAt !== null)
}

interface Span {
  readonly start: number
  readonly end: number
}

function sliceOf({ start, end }: Span, serial: string): RenewalWindow {
  const width = Math.max(SECOND, (end - start) / SLICES)
  const begin = start + fractionOf(serial) * Math.max(0, end - start - width)
  return { start: instant(Math.floor(begin)), end: instant(Math.ceil(begin + width)) }
}

/** Evenly spread over 0 to 1, and fixed for each serial number. */
function fractionOf(serial: string): number {
  const [a = 0, b = 0, c = 0, d = 0] = sha256(utf8(serial))
  return (((a * 256 + b) * 256 + c) * 256 + d) / 2 ** 32
}
