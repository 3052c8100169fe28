import { describe, expect, it } from 'vitest'
import { DAY, HOUR, instant, MINUTE, SECOND } from '#kernel/instant.ts'
import { createAgent, type AgentRequest } from '#registry/index.ts'
import { FakeRandom } from '../../fakes/random.ts'
import { codeOf } from '../../support/code-of.ts'
import { resourceRecord } from '../../support/registry.ts'

const AUDIENCE = 'https://mcp.billing.example.org'

function create(changes: Partial<AgentRequest> = {}) {
  const request = { name: 'invoice-bot', owner: 'billing team', ...changes }
  return createAgent(request, {
    resources: [resourceRecord(), resourceRecord({ audience: 'https://old.example.org', state: 'retired' })],
    serverNames: ['id.example.org', 'LOCALHOST'],
    now: instant(1_800_000_000_000),
    random: new FakeRandom(),
  })
}

const refusal = (changes: Partial<AgentRequest>) => codeOf(() => create(changes))

describe('an agent', () => {
  it('gets the usual limits where its registration says nothing', () => {
    expect(create()).toMatchObject({
      name: 'invoice-bot',
      path: '/agent/invoice-bot',
      identity: 'instance',
      selectors: [],
      permissions: [],
      keyClasses: ['software', 'hsm', 'tpm'],
      x509Lifetime: HOUR,
      jwtLifetime: 5 * MINUTE,
      tokenLifetime: 180 * SECOND,
      state: 'active',
      version: 1,
    })
  })

  it.each(['', 'Invoice', 'invoice_bot', '-bot', 'bot-', 'a'.repeat(64), 'a/b', 'ä'])(
    'refuses the name "%s"',
    (name) => {
      expect(refusal({ name })).toBe('AGENT_NAME_INVALID')
    },
  )

  it.each(['a', '9', 'a'.repeat(63), 'invoice-bot-2'])('accepts the name "%s"', (name) => {
    expect(create({ name }).name).toBe(name)
  })

  it.each(['', '   ', 'x'.repeat(256), '\ud800'])('needs an owner, which %j is not', (owner) => {
    expect(refusal({ owner })).toBe('AGENT_OWNER_REQUIRED')
  })

  it('may be a person who administers, and nothing else than that', () => {
    expect(create({ path: '/admin/invoice-bot' }).path).toBe('/admin/invoice-bot')
    expect(refusal({ path: '/admin/other' })).toBe('AGENT_PATH_INVALID')
    expect(refusal({ path: '/writ/server' })).toBe('AGENT_PATH_INVALID')
  })

  it.each([
    ['x509Lifetime', 5 * MINUTE, DAY],
    ['jwtLifetime', 30 * SECOND, HOUR],
    ['tokenLifetime', 10 * SECOND, 300 * SECOND],
    ['maxAttestationAge', 5 * MINUTE, 3650 * DAY],
    ['renewGrace', 0, 30 * DAY],
    ['maxTaskLifetime', MINUTE, 30 * DAY],
  ] as const)('keeps %s within its range, in whole seconds', (name, least, most) => {
    expect(create({ [name]: least })[name]).toBe(least)
    expect(create({ [name]: most })[name]).toBe(most)
    expect(refusal({ [name]: least - SECOND })).toBe('AGENT_LIMIT_INVALID')
    expect(refusal({ [name]: most + SECOND })).toBe('AGENT_LIMIT_INVALID')
    expect(refusal({ [name]: least + 1 })).toBe('AGENT_LIMIT_INVALID')
    expect(refusal({ [name]: Number.NaN })).toBe('AGENT_LIMIT_INVALID')
  })

  it('keeps the depth of derivation within 0 and 16', () => {
    expect(create({ maxDepth: 0 }).maxDepth).toBe(0)
    expect(refusal({ maxDepth: 17 })).toBe('AGENT_LIMIT_INVALID')
    expect(refusal({ maxDepth: 1.5 })).toBe('AGENT_LIMIT_INVALID')
  })

  it.each([[[]], [['software', 'software']], [['cloud']]])('refuses the key classes %j', (keyClasses) => {
    expect(refusal({ keyClasses: keyClasses as never })).toBe('AGENT_KEY_CLASS_INVALID')
  })
})

describe('the DNS names of an agent', () => {
  it.each([
    'Invoices.example.org',
    '*.example.org',
    'example.org.',
    'a..b',
    '-a.example.org',
    '10.0.0.1',
    'a b',
    `${'a'.repeat(64)}.org`,
  ])('are host names, which "%s" is not', (name) => {
    expect(refusal({ dnsNames: [name] })).toBe('AGENT_DNS_NAME_INVALID')
  })

  it('are never the server’s own', () => {
    expect(refusal({ dnsNames: ['invoices.example.org', 'id.example.org'] })).toBe('AGENT_DNS_NAME_RESERVED')
    expect(refusal({ dnsNames: ['localhost'] })).toBe('AGENT_DNS_NAME_RESERVED')
  })

  it('are given once each, and at most sixteen', () => {
    const names = Array.from({ length: 17 }, (_, index) => `n${String(index)}.example.org`)
    expect(create({ dnsNames: names.slice(0, 16) }).dnsNames).toHaveLength(16)
    expect(refusal({ dnsNames: names })).toBe('AGENT_DNS_NAME_INVALID')
    expect(refusal({ dnsNames: ['a.example.org', 'a.example.org'] })).toBe('AGENT_DNS_NAME_INVALID')
  })
})

describe('the selectors of an agent', () => {
  it.each(['tpm', 'tpm:corp', 'tpm:corp:', ':corp:x', 'TPM:corp:x', 'tpm:corp:a b', `tpm:corp:${'x'.repeat(520)}`])(
    'are attestor, provider and fact, which "%s" is not',
    (selector) => {
      expect(refusal({ selectors: [selector] })).toBe('AGENT_SELECTOR_INVALID')
    },
  )

  it('are all about one evidence', () => {
    expect(create({ selectors: ['tpm:corp:ek:1', 'tpm:corp:pcr:7:ab'] }).selectors).toHaveLength(2)
    expect(refusal({ selectors: ['tpm:corp:ek:1', 'tpm:other:ek:1'] })).toBe('AGENT_SELECTORS_MIXED')
    expect(refusal({ selectors: ['tpm:corp:ek:1', 'kubernetes:corp:ns:a'] })).toBe('AGENT_SELECTORS_MIXED')
  })
})

describe('the permissions of an agent', () => {
  it('name registered audiences and their actions', () => {
    const permissions = [{ audience: AUDIENCE, actions: ['invoices:read'] }]
    expect(create({ permissions }).permissions).toEqual(permissions)
  })

  it('refuse what is registered nowhere, so that nothing is permitted by a misspelling', () => {
    const read = ['invoices:read']
    expect(refusal({ permissions: [{ audience: 'https://nowhere.example.org', actions: read }] })).toBe(
      'AGENT_AUDIENCE_UNKNOWN',
    )
    expect(refusal({ permissions: [{ audience: 'https://old.example.org', actions: read }] })).toBe(
      'AGENT_AUDIENCE_UNKNOWN',
    )
    expect(refusal({ permissions: [{ audience: AUDIENCE, actions: ['invoices:burn'] }] })).toBe('AGENT_ACTION_UNKNOWN')
    expect(refusal({ permissions: [{ audience: AUDIENCE, actions: [] }] })).toBe('AGENT_PERMISSION_INVALID')
    const twice = { audience: AUDIENCE, actions: read }
    expect(refusal({ permissions: [twice, twice] })).toBe('AGENT_PERMISSION_INVALID')
  })
})
