import { toBase64Url, toHex, utf8 } from '#kernel/bytes.ts'
import { sha256 } from '#kernel/digest.ts'
import { after, SECOND, type Instant } from '#kernel/instant.ts'
import type { Random } from '#kernel/random.ts'
import type { SessionContext } from './attestor.ts'
import { attestationError } from './errors.ts'
import type { EnrollSessionRecord } from './records.ts'

const ID_BYTES = 32
const LIFETIME = 60 * SECOND

/** The row, and the id that only the caller has. */
export interface NewEnrollSession {
  readonly id: string
  readonly record: EnrollSessionRecord
}

/** A session that waits for the answer to a challenge, for one minute. */
export function newEnrollSession(
  what: { readonly attestor: string; readonly context: SessionContext },
  now: Instant,
  random: Random,
): NewEnrollSession {
  const id = toBase64Url(random.bytes(ID_BYTES))
  const { attestor, context } = what
  return { id, record: { hash: hashOf(id), attestor, state: 'challenged', context, expiresAt: after(now, LIFETIME) } }
}

/**
 * The session of this id, if it may still be answered.
 * @throws ENROLL_SESSION_UNKNOWN, ENROLL_SESSION_USED, ENROLL_SESSION_EXPIRED
 */
export async function usableSession(
  id: string,
  find: (hash: string) => Promise<EnrollSessionRecord | null>,
  now: Instant,
): Promise<EnrollSessionRecord> {
  const record = await find(hashOf(id))
  if (record === null) throw attestationError('ENROLL_SESSION_UNKNOWN')
  if (record.state !== 'challenged') throw attestationError('ENROLL_SESSION_USED')
  if (now >= record.expiresAt) throw attestationError('ENROLL_SESSION_EXPIRED')
  return record
}

function hashOf(id: string): string {
  return toHex(sha256(utf8(id)))
}
