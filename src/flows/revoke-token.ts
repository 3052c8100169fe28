import { record } from '#audit/index.ts'
import type { Caller } from '#authentication/index.ts'
import { isWritError } from '#kernel/errors.ts'
import type { Instant } from '#kernel/instant.ts'
import { FOR_EVER, raiseCutoff, revocationError, revocationNotice } from '#revocation/index.ts'
import type { TaskTokenRecord } from '#tasks/index.ts'
import { oauthError } from './oauth-errors.ts'
import type { StoryPorts } from './ports.ts'
import { recordingDenials } from './recorded-story.ts'
import { verifyTaskToken, type VerifyPorts } from './subject-token.ts'
import { mayEndTask, requireKnown } from './task-access.ts'

export type RevokeTokenPorts = StoryPorts & VerifyPorts

/**
 * RFC 7009: ends a token and everything derived from it (RV-2), in one commit of one row and one cutoff, however much
 * there is below it. A token that is unknown, expired or revoked already is no error; by its client, the owner of its
 * task or an operator.
 * @throws AUTHENTICATION_REQUIRED, TOKEN_TYPE_UNSUPPORTED, TOKEN_NOT_YOURS
 */
export async function revokeToken(
  ports: RevokeTokenPorts,
  caller: Caller,
  request: { readonly token: string },
): Promise<void> {
  // 1. Somebody whom we know.
  requireKnown(caller)
  const attempt = { type: 'token.revoked', actor: caller.name, object: 'token' }
  await recordingDenials(ports, attempt, async (watched) => {
    // 2. A token that there is still something to end of.
    const now = watched.clock.now()
    const token = await findToken(watched, request.token, now)
    if (token === null) return
    // 3. And that is the caller's.
    await requireRight(watched, caller, token)
    if (token.revokedAt !== null) return
    // 4. Commit: the row for whoever looks at the token, the cutoff for whatever is below it.
    await commitRevocation(watched, caller, token, now)
  })
}

async function findToken(ports: RevokeTokenPorts, text: string, now: Instant): Promise<TaskTokenRecord | null> {
  try {
    const { claims } = verifyTaskToken(ports, text, now)
    return await ports.reader.find('TaskToken', { jti: claims.id })
  } catch (error) {
    if (isWritError(error, 'JWT_TYPE_WRONG')) throw oauthError('TOKEN_TYPE_UNSUPPORTED')
    if (isWritError(error) && error.code.startsWith('JWT_')) return null
    throw error
  }
}

async function requireRight(ports: RevokeTokenPorts, caller: Caller, token: TaskTokenRecord): Promise<void> {
  const { identity } = caller
  if (identity.kind === 'agent' && identity.instance.id === token.instance) return
  const task = identity.kind === 'agent' ? null : await ports.reader.find('Task', { id: token.task })
  if (task === null || !mayEndTask(caller, task)) throw oauthError('TOKEN_NOT_YOURS')
}

async function commitRevocation(
  ports: RevokeTokenPorts,
  caller: Caller,
  token: TaskTokenRecord,
  now: Instant,
): Promise<void> {
  const { jti } = token
  const cut = { kind: 'token', value: jti, before: FOR_EVER, reason: 'token.revoked' } as const
  const repeated = () => revocationError('CUTOFF_OUTDATED')
  const { guard, change } = raiseCutoff(cut, { actor: caller.name, at: now }, repeated)
  const where = { jti, revokedAt: null }
  try {
    await record(ports.journal, {
      lock: 'revoke',
      guards: [guard],
      changes: [{ op: 'update', table: 'TaskToken', where, set: { revokedAt: now }, refuse: repeated }, change],
      leaf: {
        type: 'token.revoked',
        actor: caller.name,
        object: `token:${jti}`,
        decision: 'permit',
        inputDigest: null,
        policy: null,
        commitments: { task: token.task, agent: token.agent },
      },
      events: [
        {
          type: 'token.revoked',
          data: { token: jti, task: token.task, agent: token.agent, ...revocationNotice(now, [change.row]) },
        },
      ],
    })
  } catch (error) {
    // Somebody else was faster: revoked is revoked.
    if (!isWritError(error, 'CUTOFF_OUTDATED')) throw error
  }
}
