import { describe, expect, it } from 'vitest'
import { instant } from '#kernel/instant.ts'
import { createResource, type ResourceRequest } from '#registry/index.ts'
import { TrustDomain } from '#spiffe/index.ts'
import { FakeRandom } from '../../fakes/random.ts'
import { codeOf } from '../../support/code-of.ts'

function create(changes: Partial<ResourceRequest> = {}) {
  const usual = {
    audience: 'https://mcp.billing.example.org',
    owner: 'billing team',
    spiffeIds: ['spiffe://example.org/agent/billing'],
    actions: ['invoices:read'],
  }
  return createResource(
    { ...usual, ...changes },
    {
      trustDomain: TrustDomain.parse('example.org'),
      issuers: ['https://id.example.org', 'https://id.example.org/spiffe'],
      now: instant(0),
      random: new FakeRandom(),
    },
  )
}

const refusal = (changes: Partial<ResourceRequest>) => codeOf(() => create(changes))

describe('a resource', () => {
  it('is kept exactly as its owner wrote it', () => {
    expect(create()).toMatchObject({ audience: 'https://mcp.billing.example.org', state: 'active', proxies: [] })
    expect(create({ audience: 'HTTPS://MCP.example.org/' }).audience).toBe('HTTPS://MCP.example.org/')
  })

  it.each(['', 'mcp', 'https://a.example.org/#x', 'https://a b', `https://a.example.org/${'x'.repeat(255)}`])(
    'is named by an absolute URI without fragment, which "%s" is not',
    (audience) => {
      expect(refusal({ audience })).toBe('RESOURCE_AUDIENCE_INVALID')
    },
  )

  it('is never the server itself: a JWT-SVID for it would start exchanges', () => {
    expect(refusal({ audience: 'https://id.example.org' })).toBe('RESOURCE_AUDIENCE_RESERVED')
    expect(refusal({ audience: 'https://id.example.org/spiffe' })).toBe('RESOURCE_AUDIENCE_RESERVED')
  })

  it('is acted for by workloads of this trust domain', () => {
    expect(refusal({ spiffeIds: ['spiffe://other.org/agent/billing'] })).toBe('RESOURCE_SPIFFE_ID_INVALID')
    expect(refusal({ spiffeIds: ['spiffe://example.org'] })).toBe('RESOURCE_SPIFFE_ID_INVALID')
    expect(refusal({ spiffeIds: ['billing'] })).toBe('RESOURCE_SPIFFE_ID_INVALID')
  })

  it('has proxies of this trust domain, too', () => {
    expect(create({ proxies: ['spiffe://example.org/agent/edge'] }).proxies).toEqual([
      'spiffe://example.org/agent/edge',
    ])
    expect(refusal({ proxies: ['spiffe://other.org/agent/edge'] })).toBe('RESOURCE_SPIFFE_ID_INVALID')
  })

  it('is reached at a URL in its one spelling, or nobody says where', () => {
    expect(create().url).toBeNull()
    for (const url of ['https://shop.example.org', 'http://127.0.0.1:8000', 'https://shop.example.org/api']) {
      expect(create({ url }).url).toBe(url)
    }
    for (const url of [
      ...[
        '',
        'shop',
        'ftp://shop.example.org',
        'https://shop.example.org/',
        'https://Shop.example.org',
        'https://a:443',
      ],
      ...[
        'https://me@shop.example.org',
        'https://shop.example.org?a',
        'https://shop.example.org#a',
        'https://a/b/../c',
      ],
      `https://shop.example.org/${'x'.repeat(255)}`,
    ]) {
      expect(refusal({ url }), url).toBe('RESOURCE_URL_INVALID')
    }
  })

  it('has an owner and at least one action', () => {
    expect(refusal({ owner: ' ' })).toBe('RESOURCE_OWNER_REQUIRED')
    expect(refusal({ actions: [] })).toBe('RESOURCE_ACTION_INVALID')
    expect(refusal({ actions: ['read invoices'] })).toBe('RESOURCE_ACTION_INVALID')
    expect(refusal({ actions: ['a', 'a'] })).toBe('RESOURCE_ACTION_INVALID')
  })
})
