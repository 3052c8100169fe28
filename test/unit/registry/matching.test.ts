import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { instant, MINUTE } from '#kernel/instant.ts'
import { explainMatch, register, reregister, type AgentRecord } from '#registry/index.ts'
import { TrustDomain } from '#spiffe/index.ts'
import { FakeRandom } from '../../fakes/random.ts'
import { attestedWith } from '../../support/attested.ts'
import { codeOf } from '../../support/code-of.ts'
import { agentRecord, instanceRecord } from '../../support/registry.ts'

const EK = 'tpm:corp:ek:1'
const PCR = 'tpm:corp:pcr:7:ab'
const HOST = 'tpm:corp:host:a'

function attempt(candidates: readonly AgentRecord[], selectors: readonly string[], requested: string | null = null) {
  const context = { requested, trustDomain: TrustDomain.parse('example.org'), random: new FakeRandom() }
  return register(attestedWith({ selectors }), candidates, context)
}

describe('promise 2: an attested workload is registered only as the one agent that matches', () => {
  it('needs all selectors of the agent among those of the evidence, and no more', () => {
    const agent = agentRecord({ selectors: [EK, PCR] })
    expect(attempt([agent], [EK, PCR, HOST]).agent).toBe(agent)
    expect(codeOf(() => attempt([agent], [EK, HOST]))).toBe('AGENT_NOT_MATCHED')
    expect(codeOf(() => attempt([agent], []))).toBe('AGENT_NOT_MATCHED')
    expect(codeOf(() => attempt([], [EK]))).toBe('AGENT_NOT_MATCHED')
  })

  it('never matches an agent without selectors, unless the evidence names it', () => {
    const agent = agentRecord()
    expect(codeOf(() => attempt([agent], [EK]))).toBe('AGENT_NOT_MATCHED')
    const context = { requested: null, trustDomain: TrustDomain.parse('example.org'), random: new FakeRandom() }
    const named = attestedWith({ attestor: 'join_token', namedAgent: agent.id, keyClass: 'software' })
    expect(register(named, [agent], context).agent).toBe(agent)
    const other = attestedWith({ attestor: 'join_token', namedAgent: 'agt_other', keyClass: 'software' })
    expect(codeOf(() => register(other, [agent], context))).toBe('AGENT_NOT_MATCHED')
  })

  it('refuses two that match, and takes the one that the request names', () => {
    const first = agentRecord({ name: 'first', selectors: [EK] })
    const second = agentRecord({ name: 'second', selectors: [EK, PCR] })
    expect(codeOf(() => attempt([first, second], [EK, PCR]))).toBe('AGENT_AMBIGUOUS')
    expect(attempt([first, second], [EK, PCR], 'second').agent).toBe(second)
    expect(codeOf(() => attempt([first, second], [EK, PCR], 'third'))).toBe('AGENT_NOT_MATCHED')
  })

  it('gives a suspended agent nothing, and says so only to who would have matched', () => {
    const agent = agentRecord({ selectors: [EK], state: 'suspended' })
    expect(codeOf(() => attempt([agent], [EK]))).toBe('AGENT_SUSPENDED')
    expect(codeOf(() => attempt([agent], [PCR]))).toBe('AGENT_NOT_MATCHED')
    expect(codeOf(() => attempt([agentRecord({ selectors: [EK], state: 'retired' })], [EK]))).toBe('AGENT_NOT_MATCHED')
  })

  it('refuses a key class that the agent does not allow', () => {
    const agent = agentRecord({ selectors: [EK], keyClasses: ['hsm'] })
    expect(codeOf(() => attempt([agent], [EK]))).toBe('KEY_CLASS_NOT_ALLOWED')
  })

  it('registers whoever has every selector and nobody else, whatever the selectors are', () => {
    const selector = fc.constantFrom(EK, PCR, HOST, 'tpm:corp:host:b', 'tpm:corp:host:c')
    fc.assert(
      fc.property(fc.uniqueArray(selector), fc.uniqueArray(selector), (wanted, shown) => {
        const agent = agentRecord({ selectors: wanted })
        const should = wanted.length > 0 && wanted.every((one) => shown.includes(one))
        expect(codeOf(() => attempt([agent], shown))).toBe(should ? 'ACCEPTED' : 'AGENT_NOT_MATCHED')
      }),
    )
  })
})

describe('the name of an instance', () => {
  it('is below its agent, and new each time', () => {
    const agent = agentRecord({ selectors: [EK] })
    const context = { requested: null, trustDomain: TrustDomain.parse('example.org'), random: new FakeRandom() }
    const first = register(attestedWith({ selectors: [EK] }), [agent], context)
    const second = register(attestedWith({ selectors: [EK] }), [agent], context)
    expect(first.spiffeId.toString()).toBe(`spiffe://example.org/agent/invoice-bot/${first.instanceId}`)
    expect(first.instanceId).toMatch(/^i-[0-9a-z]{16}$/)
    expect(second.instanceId).not.toBe(first.instanceId)
  })

  it('is the agent’s own for an agent with one ID for all', () => {
    const agent = agentRecord({ selectors: [EK], identity: 'agent' })
    const registration = attempt([agent], [EK])
    expect(registration.spiffeId.toString()).toBe('spiffe://example.org/agent/invoice-bot')
    expect(registration.instanceId).toMatch(/^i-/)
  })
})

describe('an explanation', () => {
  it('says of each candidate everything that stands in the way', () => {
    const facts = { attestor: 'tpm', selectors: [EK], namedAgent: null }
    const candidates = [
      agentRecord({ name: 'right', selectors: [EK] }),
      agentRecord({ name: 'wrong', selectors: [EK, PCR, HOST], state: 'suspended' }),
      agentRecord({ name: 'bare' }),
    ]
    expect(explainMatch(facts, candidates)).toEqual([
      { agent: 'agt_right', name: 'right', matches: true, reasons: [] },
      {
        agent: 'agt_wrong',
        name: 'wrong',
        matches: false,
        reasons: ['the agent is suspended', `the evidence has no ${PCR}`, `the evidence has no ${HOST}`],
      },
      {
        agent: 'agt_bare',
        name: 'bare',
        matches: false,
        reasons: ['the agent has no selectors, and the evidence does not name it'],
      },
    ])
  })
})

describe('a renewal decides again with today’s rules', () => {
  const agent = agentRecord()
  const now = instant(MINUTE)

  it('keeps instance and SPIFFE ID', () => {
    const instance = instanceRecord(agent)
    const again = reregister(instance, agent, now)
    expect(again.instanceId).toBe(instance.id)
    expect(again.spiffeId.toString()).toBe(instance.spiffeId)
  })

  it.each([
    ['a suspended agent', agentRecord({ state: 'suspended' }), {}, 'AGENT_SUSPENDED'],
    ['a retired agent', agentRecord({ state: 'retired' }), {}, 'AGENT_RETIRED'],
    ['a revoked instance', agent, { state: 'revoked' }, 'INSTANCE_NOT_ACTIVE'],
    ['a superseded instance', agent, { state: 'superseded' }, 'INSTANCE_NOT_ACTIVE'],
    ['another agent’s instance', agent, { agent: 'agt_other' }, 'AGENT_NOT_MATCHED'],
    ['an agent with other names since', agentRecord({ identity: 'agent' }), {}, 'AGENT_NOT_MATCHED'],
    ['selectors that were added since', agentRecord({ selectors: [EK] }), {}, 'AGENT_NOT_MATCHED'],
    ['a key class that was taken away', agentRecord({ keyClasses: ['tpm'] }), {}, 'KEY_CLASS_NOT_ALLOWED'],
    ['an old attestation', agentRecord({ maxAttestationAge: MINUTE - 1 }), {}, 'ATTESTATION_TOO_OLD'],
  ] as const)('refuses %s', (_, today, changes, code) => {
    expect(codeOf(() => reregister(instanceRecord(agent, changes), today, now))).toBe(code)
  })
})
