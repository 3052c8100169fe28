import type { KeyClass } from '#kernel/algorithms.ts'
import { newId } from '#kernel/ids.ts'
import type { Instant, Milliseconds } from '#kernel/instant.ts'
import type { Random } from '#kernel/random.ts'
import { parseDnsNames } from './dns-name.ts'
import { registryError } from './errors.ts'
import { parseLimits, type LimitName } from './limits.ts'
import { parsePermissions } from './permissions.ts'
import type { AgentRecord, Permission, ResourceRecord } from './records.ts'
import { parseSelectors } from './selectors.ts'

/** What an operator asks for. Times in milliseconds; whatever is left out gets the usual value of AGENT_LIMITS. */
export interface AgentRequest extends LimitsWanted {
  readonly name: string
  readonly owner: string
  /** `/agent/<name>` (the usual one), or `/admin/<name>` for a person who administers. */
  readonly path?: string | undefined
  readonly identity?: AgentRecord['identity'] | undefined
  readonly selectors?: readonly string[] | undefined
  readonly dnsNames?: readonly string[] | undefined
  readonly permissions?: readonly Permission[] | undefined
  readonly keyClasses?: readonly KeyClass[] | undefined
  /** Where keys live of which nothing is attested; one of `keyClasses`. */
  readonly declaredKeyClass?: KeyClass | undefined
}

type LimitsWanted = { readonly [Name in LimitName]?: Milliseconds | undefined }

/** What a new registration is held against. */
export interface AgentSurroundings {
  readonly resources: readonly ResourceRecord[]
  /** DNS names of the server itself. */
  readonly serverNames: readonly string[]
  readonly now: Instant
  readonly random: Random
}

const NAME = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/
const MAX_OWNER = 255
const KEY_CLASSES: readonly KeyClass[] = ['software', 'hsm', 'tpm']

/** @throws AGENT_NAME_INVALID */
export function parseAgentName(name: string): string {
  if (!NAME.test(name)) throw registryError('AGENT_NAME_INVALID')
  return name
}

/**
 * A new agent, active, or a refusal that names what is wrong: AGENT_NAME_INVALID, AGENT_PATH_INVALID,
 * AGENT_OWNER_REQUIRED, AGENT_KEY_CLASS_INVALID, and what selectors, DNS names, permissions and limits throw.
 */
export function createAgent(request: AgentRequest, surroundings: AgentSurroundings): AgentRecord {
  const { now, random } = surroundings
  const name = parseAgentName(request.name)
  return {
    id: newId('agent', now, random),
    name,
    owner: parseOwner(request.owner),
    path: parsePath(request.path ?? `/agent/${name}`, name),
    identity: request.identity ?? 'instance',
    selectors: parseSelectors(request.selectors ?? []),
    dnsNames: parseDnsNames(request.dnsNames ?? [], surroundings.serverNames),
    permissions: parsePermissions(request.permissions ?? [], surroundings.resources),
    ...parseClasses(request),
    ...parseLimits(request),
    state: 'active',
    version: 1,
    createdAt: now,
    updatedAt: now,
  }
}

function parseOwner(owner: string): string {
  const trimmed = owner.trim()
  if (trimmed === '' || trimmed.length > MAX_OWNER || !trimmed.isWellFormed())
    throw registryError('AGENT_OWNER_REQUIRED')
  return trimmed
}

function parsePath(path: string, name: string): string {
  if (path !== `/agent/${name}` && path !== `/admin/${name}`) throw registryError('AGENT_PATH_INVALID')
  return path
}

function parseClasses(request: AgentRequest): Pick<AgentRecord, 'keyClasses' | 'declaredKeyClass'> {
  const keyClasses = parseKeyClasses(request.keyClasses ?? KEY_CLASSES)
  const declaredKeyClass = request.declaredKeyClass ?? null
  if (declaredKeyClass !== null && !keyClasses.includes(declaredKeyClass))
    throw registryError('AGENT_KEY_CLASS_INVALID')
  return { keyClasses, declaredKeyClass }
}

function parseKeyClasses(classes: readonly KeyClass[]): readonly KeyClass[] {
  const known = classes.every((keyClass) => KEY_CLASSES.includes(keyClass))
  if (classes.length === 0 || !known || new Set(classes).size !== classes.length) {
    throw registryError('AGENT_KEY_CLASS_INVALID')
  }
  return [...classes]
}

/** True for those whose certificates administer: only an admin may let anyone become one. */
export function administers(agent: AgentRecord): boolean {
  return agent.path.startsWith('/admin/')
}

/** @throws AGENT_SUSPENDED, AGENT_RETIRED: such an agent gets nothing new */
export function requireActive(agent: AgentRecord): void {
  if (agent.state === 'suspended') throw registryError('AGENT_SUSPENDED', { details: { agent: agent.id } })
  if (agent.state === 'retired') throw registryError('AGENT_RETIRED', { details: { agent: agent.id } })
}
