import type { Attested } from '#attestation/index.ts'
import type { KeyClass, KeyClassSource } from '#kernel/algorithms.ts'
import { newInstanceId } from '#kernel/ids.ts'
import { after, type Instant, type Milliseconds } from '#kernel/instant.ts'
import type { Random } from '#kernel/random.ts'
import { SpiffeId, type TrustDomain } from '#spiffe/index.ts'
import { requireActive } from './agent.ts'
import { registryError } from './errors.ts'
import { factsOf, matchAgent, reasonsAgainst } from './matching.ts'
import type { AgentRecord, InstanceRecord } from './records.ts'

/**
 * Proof that an attested workload is one agent's instance, and under which name. Only `register` and `reregister`
 * make one.
 */
export class Registration {
  readonly #agent: AgentRecord
  readonly #instanceId: string
  readonly #spiffeId: SpiffeId
  readonly #key: KnownKeyClass

  private constructor(agent: AgentRecord, instanceId: string, spiffeId: SpiffeId, key: KnownKeyClass) {
    this.#agent = agent
    this.#instanceId = instanceId
    this.#spiffeId = spiffeId
    this.#key = key
  }

  /**
   * A new instance of the one agent that matches what was attested.
   * @throws AGENT_NOT_MATCHED, AGENT_AMBIGUOUS, AGENT_SUSPENDED, KEY_CLASS_NOT_ALLOWED
   */
  static register(attested: Attested, candidates: readonly AgentRecord[], context: RegisterContext): Registration {
    const agent = matchAgent(attested, candidates, context.requested)
    const key = keyClassOf(attested, agent)
    checkKeyClass(agent, key.keyClass)
    const instanceId = newInstanceId(context.random)
    return new Registration(agent, instanceId, nameOf(agent, instanceId, context.trustDomain), key)
  }

  /**
   * The registration of an instance that exists, decided again with today's rules: its agent is active, still matches
   * what was attested then, allows its key class, and the attestation is not too old.
   * @throws AGENT_SUSPENDED, AGENT_RETIRED, INSTANCE_NOT_ACTIVE, AGENT_NOT_MATCHED, KEY_CLASS_NOT_ALLOWED,
   * ATTESTATION_TOO_OLD
   */
  static reregister(instance: InstanceRecord, agent: AgentRecord, now: Instant): Registration {
    requireActive(agent)
    const spiffeId = SpiffeId.parse(instance.spiffeId)
    const named = nameOf(agent, instance.id, spiffeId.trustDomain)
    if (instance.state !== 'active') throw registryError('INSTANCE_NOT_ACTIVE', { details: { instance: instance.id } })
    if (instance.agent !== agent.id || !named.equals(spiffeId)) throw registryError('AGENT_NOT_MATCHED')
    if (reasonsAgainst(factsOf(instance), agent).length > 0) throw registryError('AGENT_NOT_MATCHED')
    checkKeyClass(agent, instance.keyClass)
    if (now > after(instance.attestedAt, agent.maxAttestationAge)) throw registryError('ATTESTATION_TOO_OLD')
    return new Registration(agent, instance.id, spiffeId, instance)
  }

  get agent(): AgentRecord {
    return this.#agent
  }

  get instanceId(): string {
    return this.#instanceId
  }

  get spiffeId(): SpiffeId {
    return this.#spiffeId
  }

  /** Where the instance's key lives. */
  get keyClass(): KeyClass {
    return this.#key.keyClass
  }

  get keyClassSource(): KeyClassSource {
    return this.#key.keyClassSource
  }

  get dnsNames(): readonly string[] {
    return this.#agent.dnsNames
  }

  get x509Lifetime(): Milliseconds {
    return this.#agent.x509Lifetime
  }

  get jwtLifetime(): Milliseconds {
    return this.#agent.jwtLifetime
  }
}

interface KnownKeyClass {
  readonly keyClass: KeyClass
  readonly keyClassSource: KeyClassSource
}

/** What was attested counts; where nothing was, the word of the admin who registered the agent, marked as such. */
function keyClassOf({ keyClass, keyClassSource }: Attested, { declaredKeyClass }: AgentRecord): KnownKeyClass {
  if (keyClassSource === 'attested' || declaredKeyClass === null) return { keyClass, keyClassSource }
  return { keyClass: declaredKeyClass, keyClassSource: 'declared' }
}

export interface RegisterContext {
  /** Name of the agent that the request asks for; null when it leaves that to the match. */
  readonly requested: string | null
  readonly trustDomain: TrustDomain
  readonly random: Random
}

/** @throws as Registration.register */
export function register(
  attested: Attested,
  candidates: readonly AgentRecord[],
  context: RegisterContext,
): Registration {
  return Registration.register(attested, candidates, context)
}

/** @throws as Registration.reregister */
export function reregister(instance: InstanceRecord, agent: AgentRecord, now: Instant): Registration {
  return Registration.reregister(instance, agent, now)
}

function nameOf(agent: AgentRecord, instanceId: string, trustDomain: TrustDomain): SpiffeId {
  const segments = agent.path.slice(1).split('/')
  return SpiffeId.of(trustDomain, ...segments, ...(agent.identity === 'instance' ? [instanceId] : []))
}

function checkKeyClass(agent: AgentRecord, keyClass: KeyClass): void {
  if (!agent.keyClasses.includes(keyClass)) throw registryError('KEY_CLASS_NOT_ALLOWED', { details: { keyClass } })
}
