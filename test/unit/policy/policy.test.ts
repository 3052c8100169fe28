import { describe, expect, it } from 'vitest'
import fc from 'fast-check'
import { isWritError } from '#kernel/errors.ts'
import { after, DAY, HOUR, instant, MINUTE } from '#kernel/instant.ts'
import { permitIssuance, permitJwtSvid, permitTask, permitToken, replay } from '#policy/index.ts'
import type { Grant, Mandated } from '#policy/index.ts'
import type { AgentRecord } from '#registry/index.ts'

const NOW = instant(1_797_840_000_000)
const BILLING = 'https://billing.example.org'
const ID = 'spiffe://example.org/agent/invoice-bot/i-7f3a'

const AGENT: AgentRecord = {
  id: 'agt_1',
  name: 'invoice-bot',
  owner: 'team-billing',
  path: '/agent/invoice-bot',
  identity: 'instance',
  selectors: [],
  dnsNames: ['bot.example.org'],
  permissions: [{ audience: BILLING, actions: ['invoices:read', 'invoices:pay'] }],
  keyClasses: ['software'],
  declaredKeyClass: null,
  x509Lifetime: HOUR,
  jwtLifetime: 5 * MINUTE,
  tokenLifetime: 3 * MINUTE,
  maxAttestationAge: DAY,
  renewGrace: 0,
  maxTaskLifetime: DAY,
  maxDepth: 3,
  state: 'active',
  version: 1,
  createdAt: NOW,
  updatedAt: NOW,
}

const READ = [{ type: 'task', resource: BILLING, actions: ['invoices:read'] }] as const

const MANDATE: Mandated = {
  task: 'task_1',
  subject: ID,
  actor: ID,
  audience: BILLING,
  authority: READ,
  depth: 0,
  expiresAt: after(NOW, 3 * MINUTE),
}

function codeOf(decision: () => Grant): string {
  try {
    decision()
  } catch (error) {
    return isWritError(error) ? error.code : 'UNTYPED'
  }
  return 'permit'
}

const x509 = (agent: AgentRecord, change: object = {}, keyClass: 'software' | 'tpm' = 'software') =>
  permitIssuance({ agent, spiffeId: ID, dnsNames: [], x509Lifetime: HOUR, ...change }, { at: NOW, keyClass })
const token = (change: Partial<Mandated>, agent = AGENT, attestedAt = NOW) =>
  permitToken({ ...MANDATE, ...change }, agent, { at: NOW, attestedAt, keyClass: 'software' })
const jwt = (audiences: string[], lifetime = MINUTE) =>
  permitJwtSvid(AGENT, audiences, { at: NOW, spiffeId: ID, issuer: 'https://id.example.org', lifetime })
const task = (authority: typeof READ | readonly [], change: object = {}) =>
  permitTask(AGENT, authority, { at: NOW, deadline: after(NOW, HOUR), maxDepth: 3, ...change })

describe('policy', () => {
  it('permits what the registration holds', () => {
    expect(codeOf(() => x509(AGENT, { dnsNames: ['bot.example.org'] }))).toBe('permit')
    expect(codeOf(() => token({}))).toBe('permit')
    expect(codeOf(() => jwt(['https://id.example.org', BILLING]))).toBe('permit')
    expect(codeOf(() => task(READ))).toBe('permit')
  })

  it('promise 2: denies a suspended or retired agent everything', () => {
    for (const state of ['suspended', 'retired'] as const) {
      const agent = { ...AGENT, state }
      expect(codeOf(() => x509(agent))).toBe('POLICY_AGENT_NOT_ACTIVE')
      expect(codeOf(() => token({}, agent))).toBe('POLICY_AGENT_NOT_ACTIVE')
    }
  })

  it('promise 2: denies a certificate beyond the registration', () => {
    expect(codeOf(() => x509(AGENT, {}, 'tpm'))).toBe('POLICY_KEY_CLASS')
    expect(codeOf(() => x509(AGENT, { dnsNames: ['other.example.org'] }))).toBe('POLICY_DNS_NAME')
    expect(codeOf(() => x509(AGENT, { x509Lifetime: HOUR + 1 }))).toBe('POLICY_LIFETIME')
    for (const path of ['/agent/invoice-bot', '/agent/invoice-bot-2/i-1', '/agent/invoice-bot/i-1/x', '/admin/root']) {
      expect(codeOf(() => x509(AGENT, { spiffeId: `spiffe://example.org${path}` }))).toBe('POLICY_SPIFFE_ID')
    }
  })

  it('gives an agent with one identity for all instances its own path and no other', () => {
    const agent = { ...AGENT, identity: 'agent' } as const
    expect(codeOf(() => x509(agent, { spiffeId: 'spiffe://example.org/agent/invoice-bot' }))).toBe('permit')
    expect(codeOf(() => x509(agent))).toBe('POLICY_SPIFFE_ID')
  })

  it('promise 2: denies a JWT-SVID for no audience, for one that is not permitted, or for too long', () => {
    expect(codeOf(() => jwt([]))).toBe('POLICY_AUDIENCE')
    expect(codeOf(() => jwt([BILLING, 'https://other.example.org']))).toBe('POLICY_AUDIENCE')
    expect(codeOf(() => jwt(['constructor']))).toBe('POLICY_AUDIENCE')
    expect(codeOf(() => jwt([BILLING], HOUR))).toBe('POLICY_LIFETIME')
  })

  it('promise 2: denies a task beyond the registration', () => {
    expect(codeOf(() => task([]))).toBe('POLICY_ACTION')
    expect(codeOf(() => task(READ, { maxDepth: 4 }))).toBe('POLICY_DEPTH')
    expect(codeOf(() => task(READ, { deadline: after(NOW, DAY + 1) }))).toBe('POLICY_LIFETIME')
    expect(codeOf(() => task(READ, { deadline: NOW }))).toBe('POLICY_LIFETIME')
  })

  it('promise 2: denies a token beyond the registration', () => {
    const actions = (...names: string[]) => [{ type: 'task' as const, resource: BILLING, actions: names }]
    expect(codeOf(() => token({ authority: actions('invoices:delete') }))).toBe('POLICY_ACTION')
    expect(codeOf(() => token({ authority: actions() }))).toBe('POLICY_ACTION')
    expect(codeOf(() => token({ authority: [] }))).toBe('POLICY_ACTION')
    expect(codeOf(() => token({ audience: 'https://x.example' }))).toBe('POLICY_AUDIENCE')
    expect(codeOf(() => token({ depth: 4 }))).toBe('POLICY_DEPTH')
    expect(codeOf(() => token({ expiresAt: after(NOW, 3 * MINUTE + 1) }))).toBe('POLICY_LIFETIME')
    expect(codeOf(() => token({}, AGENT, instant(NOW - DAY)))).toBe('POLICY_ATTESTATION_AGE')
  })

  it('promise 9: replaying the input of any decision gives the same answer', () => {
    const agents = fc.record({
      state: fc.constantFrom('active' as const, 'suspended' as const),
      maxDepth: fc.integer({ min: 0, max: 4 }),
      tokenLifetime: fc.integer({ min: 0, max: 300_000 }),
    })
    const names = fc.subarray(['invoices:read', 'invoices:pay', 'invoices:delete'])
    fc.assert(
      fc.property(agents, names, fc.integer({ min: 0, max: 5 }), fc.integer(), (change, actions, depth, offset) => {
        const authority = [{ type: 'task' as const, resource: BILLING, actions }]
        const expiresAt = instant(NOW + Math.abs(offset % 400_000))
        const agent = { ...AGENT, ...change }
        const ask = () => token({ authority, depth, expiresAt }, agent)
        if (codeOf(ask) !== 'permit') return
        expect(replay(ask().input)).toBe('permit')
        expect(replay(ask().input.replace('"state":"active"', '"state":"suspended"'))).toBe('POLICY_AGENT_NOT_ACTIVE')
      }),
    )
  })

  it('promise 9: the digests follow the meaning and not the spelling', () => {
    const reordered = { ...AGENT, permissions: [{ audience: BILLING, actions: ['invoices:pay', 'invoices:read'] }] }
    const split = {
      ...AGENT,
      permissions: ['invoices:read', 'invoices:pay'].map((action) => ({ audience: BILLING, actions: [action] })),
    }
    expect(token({}, reordered).policyDigest).toBe(token({}).policyDigest)
    expect(token({}, split).inputDigest).toBe(token({}).inputDigest)
    expect(token({}, { ...AGENT, maxDepth: 2 }).policyDigest).not.toBe(token({}).policyDigest)
    expect(token({}).policyDigest).toMatch(/^sha-256:[0-9a-f]{64}$/)
    expect(token({ depth: 1 }).inputDigest).not.toBe(token({}).inputDigest)
  })

  it('promise 2: denies what it cannot decide', () => {
    expect(replay('{}')).toBe('POLICY_UNDECIDABLE')
    expect(replay('{"v":2,"state":"active"}')).toBe('POLICY_UNDECIDABLE')
    expect(replay('{"v":1,"state":"active","request":{"purpose":"other"},"rights":{}}')).toBe('POLICY_UNDECIDABLE')
    expect(replay('null')).toBe('POLICY_UNDECIDABLE')
  })
})
