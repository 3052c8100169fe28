import { earliest, type Instant } from '#kernel/instant.ts'
import type { CertificateRecord } from '#issuance/index.ts'
import type { AgentRecord, InstanceRecord } from '#registry/index.ts'
import type { TaskRecord, TaskTokenRecord } from '#tasks/index.ts'
import { isCutOff } from './cutoff.ts'
import { credentialCutoffKeys, tokenCutoffKeys } from './cutoff-keys.ts'
import type { CutoffRecord } from './records.ts'

/** A certificate with the instance that holds it. Null where there is no such row. */
export interface Holding {
  readonly certificate: CertificateRecord | null
  readonly instance: InstanceRecord | null
}

/** Everything that a task token rests on, as stored. Null where there is no such row. */
export interface Grounds extends Holding {
  readonly trustDomain: string
  readonly token: TaskTokenRecord
  /** Every ancestor that was found. */
  readonly ancestors: readonly TaskTokenRecord[]
  readonly task: TaskRecord | null
  readonly agent: AgentRecord | null
  /** What the ancestors were issued to, where it is another: a chain may go on under a renewed certificate. */
  readonly above: readonly Holding[]
  /** Those with one of `cutoffKeysOf`. */
  readonly cutoffs: readonly CutoffRecord[]
}

export type Fault =
  'token-revoked' | 'token-expired' | 'ancestor' | 'task' | 'agent' | 'instance' | 'certificate' | 'cut-off'

/** Keys of every cutoff that reaches a token by its own or by its certificate's issue time. */
export function cutoffKeysOf(grounds: Omit<Grounds, 'cutoffs'>): readonly string[] {
  const { trustDomain, above } = grounds
  return [...[grounds, ...above].flatMap((one) => credentialKeys(trustDomain, one)), ...tokenKeys(grounds)]
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
  if (!isCertificateGood(grounds.certificate, now)) return 'certificate'
  const isGood = ({ certificate, instance }: Holding) =>
    instance?.state === 'active' && isCertificateGood(certificate, now)
  return grounds.above.every(isGood) ? null : 'ancestor'
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
  const { trustDomain, above, cutoffs, token, ancestors } = grounds
  const first = earliest(token.issuedAt, ...ancestors.map((one) => one.issuedAt))
  return (
    [grounds, ...above].some((one) => isHoldingCutOff(trustDomain, one, cutoffs)) ||
    isCutOff(tokenKeys(grounds), first, cutoffs)
  )
}

/** A certificate's keys go with its own issue time. */
function isHoldingCutOff(trustDomain: string, holding: Holding, cutoffs: Grounds['cutoffs']): boolean {
  const { certificate } = holding
  return certificate === null || isCutOff(credentialKeys(trustDomain, holding), certificate.issuedAt, cutoffs)
}

function credentialKeys(trustDomain: string, { certificate, instance }: Holding): readonly string[] {
  return certificate === null || instance === null ? [] : credentialCutoffKeys({ trustDomain, certificate, instance })
}

function tokenKeys(grounds: Omit<Grounds, 'cutoffs'>): readonly string[] {
  const { token, ancestors, task } = grounds
  const agents = [token, ...ancestors].map((one) => one.agent)
  const chain = [token.jti, ...token.ancestors]
  return tokenCutoffKeys({ agents, task: token.task, subject: task?.subject ?? token.actor, chain })
}
