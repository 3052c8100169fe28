import { isUserSubject } from '#jwt/index.ts'
import { authenticationError } from './errors.ts'
import type { PrincipalRecord, Role } from './records.ts'

/** What an orchestrator opens tasks for; everybody else has none. */
export type Orchestration = Pick<PrincipalRecord, 'subjects' | 'agents'>

export const ORCHESTRATION_LIMITS = { subjects: 100, agents: 64 } as const

const EVERYONE = '*'
const AGENT = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/

/**
 * Both lists, each entry once. Empty ones permit nothing.
 * @throws PRINCIPAL_NOT_ORCHESTRATOR, PRINCIPAL_SUBJECTS_INVALID, PRINCIPAL_AGENTS_INVALID
 */
export function checkOrchestration(lists: Orchestration, roles: readonly Role[]): Orchestration {
  const { subjects, agents } = lists
  const isAny = subjects.length > 0 || agents.length > 0
  if (isAny && !roles.some((role) => role === 'orchestrator' || role === 'admin')) {
    throw authenticationError('PRINCIPAL_NOT_ORCHESTRATOR')
  }
  if (!isListOf(subjects, ORCHESTRATION_LIMITS.subjects, isPattern)) {
    throw authenticationError('PRINCIPAL_SUBJECTS_INVALID')
  }
  if (!isListOf(agents, ORCHESTRATION_LIMITS.agents, (name) => AGENT.test(name))) {
    throw authenticationError('PRINCIPAL_AGENTS_INVALID')
  }
  return { subjects: [...subjects], agents: [...agents] }
}

/** Whether an entry is the subject itself, or stands for all of its issuer. */
export function mayAssert(orchestration: Orchestration, subject: string): boolean {
  return orchestration.subjects.some(
    (entry) => entry === subject || (isForEveryone(entry) && subject.startsWith(entry.slice(0, -EVERYONE.length))),
  )
}

export function mayOpenFor(orchestration: Orchestration, agentName: string): boolean {
  return orchestration.agents.includes(agentName)
}

/** The only star is the one that stands alone for a `sub`: nobody means a part of a name by it and gets more. */
function isPattern(entry: string): boolean {
  return isUserSubject(entry) && (isForEveryone(entry) || !entry.includes(EVERYONE))
}

function isForEveryone(entry: string): boolean {
  return /^user:[^:]+:\*$/.test(entry)
}

function isListOf(list: readonly string[], most: number, isEntry: (entry: string) => boolean): boolean {
  return list.length <= most && list.every(isEntry) && new Set(list).size === list.length
}
