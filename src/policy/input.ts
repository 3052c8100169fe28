import { sha256Hex } from '#kernel/digest.ts'
import { canonicalize, type JsonObject, type JsonValue } from '#kernel/json.ts'
import type { AgentRecord } from '#registry/index.ts'
import type { AuthorizationDetail } from '#tasks/index.ts'

export type Purpose = 'x509-svid' | 'jwt-svid' | 'task' | 'task-token'

/** What a registration allows: the policy itself. Sorted, so that one meaning has one digest. */
export interface Rights {
  readonly agent: string
  readonly path: string
  readonly identity: 'instance' | 'agent'
  readonly dns_names: readonly string[]
  readonly permissions: Readonly<Record<string, readonly string[]>>
  readonly key_classes: readonly string[]
  readonly x509_lifetime: number
  readonly jwt_lifetime: number
  readonly token_lifetime: number
  readonly max_attestation_age: number
  readonly max_task_lifetime: number
  readonly max_depth: number
}

/** One thing that is asked for under a task; the members of a task authority that rights speak of. */
export interface Wanted {
  readonly resource: string
  readonly actions: readonly string[]
}

export type Request =
  | {
      readonly purpose: 'x509-svid'
      readonly spiffe_id: string
      readonly dns_names: readonly string[]
      readonly key_class: string
      readonly lifetime: number
    }
  | {
      readonly purpose: 'jwt-svid'
      readonly spiffe_id: string
      readonly audiences: readonly string[]
      /** Our own issuer, which every agent may address. */
      readonly issuer: string
      readonly lifetime: number
    }
  | {
      readonly purpose: 'task'
      readonly authority: readonly Wanted[]
      readonly deadline: number
      readonly max_depth: number
    }
  | {
      readonly purpose: 'task-token'
      readonly task: string
      readonly subject: string
      readonly actor: string
      readonly audience: string
      readonly authority: readonly Wanted[]
      readonly depth: number
      readonly expires_at: number
      readonly attested_at: number
      readonly key_class: string
    }

/** Everything that one decision depends on, as plain JSON: nothing else is looked at. */
export interface DecisionInput {
  readonly v: 1
  readonly at: number
  readonly state: string
  readonly rights: Rights
  readonly request: Request
}

const rights = new WeakMap<AgentRecord, Rights>()

/** Once for each record, which nobody changes: another version of the agent is another record. */
export function rightsOf(agent: AgentRecord): Rights {
  const known = rights.get(agent)
  if (known !== undefined) return known
  const made = readRights(agent)
  rights.set(agent, made)
  return made
}

function readRights(agent: AgentRecord): Rights {
  return {
    agent: agent.id,
    path: agent.path,
    identity: agent.identity,
    dns_names: [...agent.dnsNames].sort(),
    permissions: permissionsOf(agent),
    key_classes: [...agent.keyClasses].sort(),
    x509_lifetime: agent.x509Lifetime,
    jwt_lifetime: agent.jwtLifetime,
    token_lifetime: agent.tokenLifetime,
    max_attestation_age: agent.maxAttestationAge,
    max_task_lifetime: agent.maxTaskLifetime,
    max_depth: agent.maxDepth,
  }
}

/** Two entries for one audience add up. A Map on the way, since an audience could be called like an object's member. */
function permissionsOf(agent: AgentRecord): Rights['permissions'] {
  const actions = new Map<string, Set<string>>()
  for (const permission of agent.permissions) {
    const known = actions.get(permission.audience) ?? new Set<string>()
    for (const action of permission.actions) known.add(action)
    actions.set(permission.audience, known)
  }
  return Object.fromEntries([...actions].map(([audience, names]) => [audience, [...names].sort()]))
}

export function wantedOf(authority: readonly AuthorizationDetail[]): readonly Wanted[] {
  return authority.map((detail) => ({
    ...detail,
    actions: [...detail.actions].sort(),
    ...(detail.identifiers === undefined ? {} : { identifiers: [...detail.identifiers].sort() }),
  }))
}

/** `sha-256:<hex>` over canonical JSON (RFC 8785). */
export function digestOf(value: JsonValue): string {
  return textDigest(canonicalize(value))
}

/** The same over canonical JSON that is written already. */
export function textDigest(canonical: string): string {
  return `sha-256:${sha256Hex(canonical)}`
}

const digests = new WeakMap<Rights, string>()

/** `digestOf` the rights, once for each object, which nobody changes. */
export function rightsDigestOf(rights: Rights): string {
  const known = digests.get(rights)
  if (known !== undefined) return known
  const made = digestOf(asJson(rights))
  digests.set(rights, made)
  return made
}

export function asJson(value: Rights | DecisionInput): JsonObject {
  return value as unknown as JsonObject
}
