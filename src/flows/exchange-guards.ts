import type { CertificateRecord } from '#issuance/index.ts'
import { earliest, type Instant } from '#kernel/instant.ts'
import {
  cutoffKey,
  credentialCutoffKeys,
  liveCutoffGuard,
  revocationError,
  tokenCutoffKeys,
  type Holding,
} from '#revocation/index.ts'
import { tasksError, type Mandate, type TaskTokenRecord } from '#tasks/index.ts'
import { oauthError } from './oauth-errors.ts'
import type { Guard } from './ports.ts'
import type { AgentProof, StartProof } from './subject-token.ts'
import { notCutOff } from './user-proof.ts'

/** What a mandate was decided on, as read; all of it must still hold when the token is recorded. */
export interface Decided {
  readonly mandate: Mandate
  readonly trustDomain: string
  /** The certificate of this connection. */
  readonly certificate: CertificateRecord
  /** The proof that a chain starts with, or null below a parent. */
  readonly start: StartProof | null
  /** Parent and everything above it; empty at the start of a chain. */
  readonly chain: readonly TaskTokenRecord[]
  /** What tokens of the chain were issued to besides this certificate. */
  readonly above: readonly Holding[]
}

/** Whatever was read is asked again under the lock: an exchange that races with a revocation loses. */
export function exchangeGuards(decided: Decided): readonly Guard[] {
  return [...standingGuards(decided), ...cutoffGuards(decided), ...chainGuards(decided), ...holdingGuards(decided)]
}

function standingGuards({ mandate, certificate }: Decided): readonly Guard[] {
  const { agent, instance } = mandate.bearer
  const now = mandate.issuedAt
  const changed = () => oauthError('STANDING_CHANGED')
  const { audience } = mandate
  return [
    {
      table: 'Task',
      must: 'exist',
      where: { id: mandate.task, agent: agent.id, state: 'active', deadline: { gt: now } },
      refuse: () => tasksError('TASK_CHANGED'),
    },
    {
      table: 'Agent',
      must: 'exist',
      where: { id: agent.id, version: agent.version, state: 'active' },
      refuse: changed,
    },
    { table: 'Instance', must: 'exist', where: { id: instance.id, state: 'active' }, refuse: changed },
    { table: 'Certificate', must: 'exist', where: { serial: certificate.serial, state: 'issued' }, refuse: changed },
    {
      table: 'Resource',
      must: 'exist',
      where: { audience, state: 'active' },
      refuse: () => tasksError('TARGET_UNKNOWN'),
    },
  ]
}

function cutoffGuards({ mandate, trustDomain, certificate, start, chain }: Decided): readonly Guard[] {
  const { agent, instance } = mandate.bearer
  const credential = credentialCutoffKeys({ trustDomain, certificate, instance })
  const agents = [agent.id, ...chain.map((token) => token.agent)]
  const grounds = { agents, task: mandate.task, subject: mandate.subject, chain: mandate.ancestors }
  const first = earliest(mandate.issuedAt, ...chain.map((token) => token.issuedAt))
  // Below a parent a cutoff means that the chain is dead; at its start, that nothing new is issued for a moment.
  const refuse = () => (start === null ? oauthError('SUBJECT_TOKEN_DEAD') : revocationError('ISSUANCE_PAUSED'))
  return [
    liveCutoffGuard(credential, certificate.issuedAt, () => revocationError('CUT_OFF')),
    liveCutoffGuard(tokenCutoffKeys(grounds), first, refuse),
    ...(start === null ? [] : [start.by === 'user' ? notCutOff(start.user) : proofGuard(agent.id, credential, start)]),
  ]
}

/** A JWT-SVID from before its agent was suspended proves nothing any more. */
function proofGuard(agent: string, credential: readonly string[], { issuedAt }: AgentProof): Guard {
  const keys = [...credential, cutoffKey('actor', agent)]
  return liveCutoffGuard(keys, issuedAt, () => oauthError('SUBJECT_TOKEN_DEAD'))
}

/** Promise 3: no dead chain is extended. */
function chainGuards({ mandate, chain }: Decided): readonly Guard[] {
  const [parent] = chain.filter((token) => token.jti === mandate.parent)
  if (parent === undefined) return []
  const refuse = () => oauthError('SUBJECT_TOKEN_DEAD')
  const { ancestors, issuedAt } = mandate
  const revoked = { jti: { in: ancestors }, revokedAt: { gt: 0 as Instant } }
  return [
    { table: 'TaskToken', must: 'exist', where: { jti: parent.jti, expiresAt: { gt: issuedAt } }, refuse },
    { table: 'TaskToken', must: 'not-exist', where: revoked, refuse },
  ]
}

/** A chain that went on under a renewed certificate dies with the one that it began under, all the same. */
function holdingGuards({ trustDomain, above }: Decided): readonly Guard[] {
  const refuse = () => oauthError('SUBJECT_TOKEN_DEAD')
  return above.flatMap(({ certificate, instance }): readonly Guard[] => {
    if (certificate === null || instance === null) return []
    const keys = credentialCutoffKeys({ trustDomain, certificate, instance })
    return [
      { table: 'Instance', must: 'exist', where: { id: instance.id, state: 'active' }, refuse },
      { table: 'Certificate', must: 'exist', where: { serial: certificate.serial, state: 'issued' }, refuse },
      liveCutoffGuard(keys, certificate.issuedAt, refuse),
    ]
  })
}
