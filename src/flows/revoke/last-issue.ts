import { newId } from '#kernel/ids.ts'
import { instant, type Instant } from '#kernel/instant.ts'
import { revocationError } from '#revocation/index.ts'
import type { Guard, Reader } from '../ports.ts'

/** Certificates that are living, or about to. */
const LIVING = ['intent', 'issued'] as const

/**
 * The highest issue time on record, or now where nothing is later. Others' clocks may be ahead of ours, or ours may have
 * been set back: a cutoff until now has to reach what they have issued all the same, certificates and tokens.
 */
export async function lastIssueTime(reader: Reader, now: Instant): Promise<Instant> {
  const newest = { orderBy: 'issuedAt', direction: 'descending', limit: 1 } as const
  const [tokens, ...certificates] = await Promise.all([
    reader.list('TaskToken', { where: { jti: { gte: firstTokenAt(now) } }, direction: 'descending', limit: 1 }),
    ...LIVING.map((state) => reader.list('Certificate', { where: { state, issuedAt: { gt: now } }, ...newest })),
  ])
  return instant(Math.max(now, ...[...tokens, ...certificates.flat()].map(({ issuedAt }) => issuedAt)))
}

/** That nothing was issued meanwhile which such a cutoff would not reach. */
export function nothingIssuedSince(before: Instant): readonly Guard[] {
  const refuse = () => revocationError('CUTOFF_OUTDATED')
  return [
    { table: 'Certificate', must: 'not-exist', where: { state: { in: LIVING }, issuedAt: { gte: before } }, refuse },
    { table: 'TaskToken', must: 'not-exist', where: { jti: { gte: firstTokenAt(before) } }, refuse },
  ]
}

/** Ids begin with the time of issue: no token that was issued then or later has a lower one. */
function firstTokenAt(moment: Instant): string {
  return newId('token', moment, { bytes: (length) => new Uint8Array(length) })
}
