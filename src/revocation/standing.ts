import { earliest, type Instant } from '#kernel/instant.ts'
import type { CertificateRecord } from '#issuance/index.ts'
import type { AgentRecord, InstanceRecord } from '#registry/index.ts'
import type { TaskRecord, TaskTokenRecord } from '#tasks/index.ts'
import { isCutOff } from './cutoff.ts'
import { credentialCutoffKeys, tokenCutoffKeys } from './cutoff-keys.ts'
import type { CutoffRecord } from './records.ts'

/** Everything that a task token rests on, as stored. Null where there is no such row. */
export interface Grounds {
  readonly trustDomain: string
  readonly token: TaskTokenRecord
  /** Every ancestor that was found. */
  readonly ancestors: readonly TaskTokenRecord[]
  readonly task: TaskRecord | null
  readonly agent: AgentRecord | null
  readonly instance: InstanceRecord | null
  readonly certificate: CertificateRecord | null
  /** Those with one of `cutoffKeysOf`. */
  readonly cutoffs: readonly CutoffRecord[]
}

export type Fault =
  'token-revoked' | 'token-expired' | 'ancestor' | 'task' | 'agent' | 'instance' | 'certificate' | 'cut-off'

/** Keys of every cutoff that reaches a token by its own or by its certificate's issue time. */
export function cutoffKeysOf(grounds: Omit<Grounds, 'cutoffs'>): readonly string[] {
  return [...credentialKeys(grounds), ...tokenKeys(grounds)]
}

/**
 * Why a stored token is not valid any more, or null when it is (IN-3): token, ancestors, task, agent, instance,
 * certificate and every cutoff, all of them. What is missing is a fault.
 */
export function faultOf(grounds: Grounds, now: Instant): Fault | null {
  return faultOfChain(grounds, now) ?? faultOfHolder(grounds, now) ?? (isAnythingCutOff(grounds) ? 'cut-off' : null)
}

function faultOfChain(grounds: Grounds, now: Instant): Fault | null {
  const { token } = grounds
  if (token.revokedAt !== null) return 'token-revoked'
  if (now >= token.expiresAt) return 'token-expired'
  return hasLivingAncestors(grounds) ? null : 'ancestor'
}

function faultOfHolder(grounds: Grounds, now: Instant): Fault | null {
  if (!isTaskActive(grounds.task, now)) return 'task'
  if (grounds.agent?.state !== 'active') return 'agent'
  if (grounds.instance?.state !== 'active') return 'instance'
  return isCertificateGood(grounds.certificate, now) ? null : 'certificate'
}

function hasLivingAncestors(grounds: Grounds): boolean {
  const living = new Set(grounds.ancestors.filter((one) => one.revokedAt === null).map((one) => one.jti))
  return grounds.token.ancestors.every((jti) => living.has(jti))
}

function isTaskActive(task: TaskRecord | null, now: Instant): boolean {
  return task?.state === 'active' && now < task.deadline
}

function isCertificateGood(certificate: CertificateRecord | null, now: Instant): boolean {
  return certificate?.state === 'issued' && now < certificate.notAfter
}

function isAnythingCutOff(grounds: Grounds): boolean {
  const { certificate, cutoffs, token, ancestors } = grounds
  if (certificate === null) return true
  const first = earliest(token.issuedAt, ...ancestors.map((one) => one.issuedAt))
  return (
    isCutOff(credentialKeys(grounds), certificate.issuedAt, cutoffs) || isCutOff(tokenKeys(grounds), first, cutoffs)
  )
}

function credentialKeys(grounds: Omit<Grounds, 'cutoffs'>): readonly string[] {
  const { trustDomain, certificate, instance } = grounds
  return certificate === null || instance === null ? [] : credentialCutoffKeys({ trustDomain, certificate, instance })
}

function tokenKeys(grounds: Omit<Grounds, 'cutoffs'>): readonly string[] {
  const { token, ancestors, task } = grounds
  const agents = [token, ...ancestors].map((one) => one.agent)
  const chain = [token.jti, ...token.ancestors]
  return tokenCutoffKeys({ agents, task: token.task, subject: task?.subject ?? token.actor, chain })
}
