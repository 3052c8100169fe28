import { SpiffeId, TrustDomain } from '#spiffe/index.ts'
import { describe, expect, it } from 'vitest'
import { codeOf } from '../../support/code-of.ts'

const parse = (text: string): string => codeOf(() => SpiffeId.parse(text))

describe('SpiffeId', () => {
  it.each([
    ['https://example.org/a', 'SPIFFE_ID_SCHEME'],
    ['SPIFFE://example.org/a', 'SPIFFE_ID_SCHEME'],
    ['spiffe:/example.org/a', 'SPIFFE_ID_SCHEME'],
    ['', 'SPIFFE_ID_SCHEME'],
    ['spiffe://', 'TRUST_DOMAIN_EMPTY'],
    ['spiffe:///a', 'TRUST_DOMAIN_EMPTY'],
    ['spiffe://example.org/a?b=c', 'SPIFFE_ID_PATH_CHARACTER'],
    ['spiffe://example.org?b=c', 'TRUST_DOMAIN_CHARACTER'],
    ['spiffe://example.org/a#b', 'SPIFFE_ID_PATH_CHARACTER'],
    ['spiffe://example.org#b', 'TRUST_DOMAIN_CHARACTER'],
  ])('ID-1 refuses scheme, query and fragment: %s', (text, code) => {
    expect(parse(text)).toBe(code)
  })

  it.each(['spiffe://user@example.org/a', 'spiffe://user:pass@example.org/a', 'spiffe://example.org:8443/a'])(
    'ID-2 refuses userinfo and port: %s',
    (text) => {
      expect(parse(text)).toBe('TRUST_DOMAIN_CHARACTER')
    },
  )

  it.each(['Example.org', 'exam%70le.org', '[::1]', 'exämple.org', 'ex ample', 'a\u0000b', 'ex\u0430mple', 'a/b'])(
    'ID-3 refuses the trust domain %j',
    (name) => {
      expect(codeOf(() => TrustDomain.parse(name))).toBe('TRUST_DOMAIN_CHARACTER')
    },
  )

  it.each(['example.org', '10.0.0.1', 'a', 'under_score', '-dash-', '1.2.3'])(
    'ID-4 takes the trust domain %s whatever it looks like',
    (name) => {
      expect(TrustDomain.parse(name).id().toString()).toBe(`spiffe://${name}`)
    },
  )

  it.each([
    ['spiffe://example.org/', 'SPIFFE_ID_TRAILING_SLASH'],
    ['spiffe://example.org/a/', 'SPIFFE_ID_TRAILING_SLASH'],
    ['spiffe://example.org//a', 'SPIFFE_ID_EMPTY_SEGMENT'],
    ['spiffe://example.org/a//b', 'SPIFFE_ID_EMPTY_SEGMENT'],
    ['spiffe://example.org/./a', 'SPIFFE_ID_DOT_SEGMENT'],
    ['spiffe://example.org/a/..', 'SPIFFE_ID_DOT_SEGMENT'],
    ['spiffe://example.org/%61', 'SPIFFE_ID_PATH_CHARACTER'],
    ['spiffe://example.org/a b', 'SPIFFE_ID_PATH_CHARACTER'],
    ['spiffe://example.org/ä', 'SPIFFE_ID_PATH_CHARACTER'],
    ['spiffe://example.org/a\n', 'SPIFFE_ID_PATH_CHARACTER'],
  ])('ID-5 refuses the path of %j', (text, code) => {
    expect(parse(text)).toBe(code)
  })

  it('ID-5 takes three dots and a leading dot', () => {
    expect(SpiffeId.parse('spiffe://example.org/.../.path/A-z_0').segments).toEqual(['...', '.path', 'A-z_0'])
  })

  it('ID-6 takes 2048 bytes and a domain of 255, and refuses one more of each', () => {
    const domain = 'd'.repeat(255)
    const longest = `spiffe://${domain}/`.padEnd(2048, 'p')
    expect(SpiffeId.parse(longest).toString()).toBe(longest)
    expect(parse(`${longest}p`)).toBe('SPIFFE_ID_TOO_LONG')
    expect(parse(`spiffe://${domain}d/a`)).toBe('TRUST_DOMAIN_TOO_LONG')
    expect(codeOf(() => SpiffeId.of(TrustDomain.parse(domain), 'p'.repeat(1784)))).toBe('SPIFFE_ID_TOO_LONG')
    expect(SpiffeId.of(TrustDomain.parse(domain), 'p'.repeat(1783)).toString()).toHaveLength(2048)
  })

  it('ID-7 compares the path with its case', () => {
    const lower = SpiffeId.parse('spiffe://example.org/a')
    expect(lower.equals(SpiffeId.parse('spiffe://example.org/A'))).toBe(false)
    expect(lower.equals(SpiffeId.of(TrustDomain.parse('example.org'), 'a'))).toBe(true)
  })

  it('takes an ID apart', () => {
    const id = SpiffeId.parse('spiffe://example.org/agent/bot/i-1')
    expect([id.trustDomain.name, id.path, id.segments]).toEqual([
      'example.org',
      '/agent/bot/i-1',
      ['agent', 'bot', 'i-1'],
    ])
    expect(id.isMemberOf(TrustDomain.parse('example.org'))).toBe(true)
    expect(id.isMemberOf(TrustDomain.parse('example.com'))).toBe(false)
    expect(JSON.stringify({ id, td: id.trustDomain })).toBe(
      '{"id":"spiffe://example.org/agent/bot/i-1","td":"example.org"}',
    )
  })

  it('the ID of a trust domain has no path', () => {
    expect(TrustDomain.parse('example.org').id().path).toBe('')
    expect(TrustDomain.parse('example.org').id().segments).toEqual([])
  })

  it('refuses to build what it would not parse', () => {
    const domain = TrustDomain.parse('example.org')
    expect(codeOf(() => SpiffeId.of(domain, 'a/b'))).toBe('SPIFFE_ID_PATH_CHARACTER')
    expect(codeOf(() => SpiffeId.of(domain, ''))).toBe('SPIFFE_ID_EMPTY_SEGMENT')
    expect(codeOf(() => SpiffeId.of(domain, '..'))).toBe('SPIFFE_ID_DOT_SEGMENT')
  })
})
