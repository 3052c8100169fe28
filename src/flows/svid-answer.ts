import { sha256Hex } from '#kernel/digest.ts'
import { MINUTE, wholeSecond, type Instant, type Milliseconds } from '#kernel/instant.ts'
import type { IssuedSvid } from './issue-x509-svid.ts'

/** What enrollment and renewal answer. */
export interface SvidAnswer {
  readonly instance: string
  readonly svid: IssuedSvid
  /** When a client should renew: at half of the life, so that there is as much time again to get through. */
  readonly renewAt: Instant
}

export function svidAnswer(instance: string, svid: IssuedSvid): SvidAnswer {
  const half = Math.floor((svid.notBefore + svid.notAfter) / 2) as Instant
  return { instance, svid, renewAt: wholeSecond(half) }
}

/** Promise 14: for so long the same request gets the same answer again. */
export const REPEATABLE: Milliseconds = 10 * MINUTE

/** SHA-256 over the parts, which hold no separator of theirs: the same request has the same key. */
export function idempotencyKey(...parts: readonly string[]): string {
  return sha256Hex(parts.join('\n'))
}
