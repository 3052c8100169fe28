import { cutoffKey, liveCutoffGuard } from '#revocation/index.ts'
import { tasksError, type ProvenUser } from '#tasks/index.ts'
import type { Change, Guard } from './ports.ts'

/** It is used once, by whichever commit comes first: to open a task, or to start a chain of tokens. */
export function usedOnce(user: ProvenUser): Change {
  const row = { key: `id-token:${user.digest}`, expiresAt: user.rememberUntil }
  return { op: 'insert', table: 'Replay', row, refuse: () => tasksError('USER_TOKEN_USED') }
}

/** Whoever was cut off has to sign in again. */
export function notCutOff(user: ProvenUser): Guard {
  const keys = [cutoffKey('subject', user.subject)]
  return liveCutoffGuard(keys, user.provenAt, () => tasksError('USER_TOKEN_CUT_OFF'))
}
