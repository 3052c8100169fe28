import { describe, expect, it } from 'vitest'
import { instant } from '#kernel/instant.ts'
import {
  credentialCutoffKeys,
  cutoffKey,
  cutoffKeysOf,
  faultOf,
  FOR_EVER,
  isCutOff,
  pastEverything,
  raiseCutoff,
  revocationError,
  tokenCutoffKeys,
  type Grounds,
} from '#revocation/index.ts'
import { codeOf } from '../../support/code-of.ts'

const row = (before: number) => ({
  key: 'task:t',
  kind: 'task' as const,
  value: 't',
  before: instant(before),
  reason: 'test',
  createdBy: 'system',
  createdAt: instant(0),
})

describe('cutoffs', () => {
  it('reach what was issued before T, and not what was issued at T', () => {
    expect(isCutOff(['task:t'], instant(999), [row(1000)])).toBe(true)
    expect(isCutOff(['task:t'], instant(1000), [row(1000)])).toBe(false)
    expect(isCutOff(['task:other'], instant(0), [row(1000)])).toBe(false)
  })

  it('lie a whole second past everything, so that iat says the same as the issue time', () => {
    expect(pastEverything(instant(1_000))).toBe(2_000)
    expect(pastEverything(instant(1_999), instant(500))).toBe(2_000)
    expect(pastEverything(instant(1_999), instant(2_001))).toBe(3_000)
    expect(pastEverything()).toBe(1_000)
  })

  it('only rise: the guard refuses where one reaches further', () => {
    const cut = { kind: 'task', value: 't', before: instant(1000), reason: 'test' } as const
    const refuse = () => revocationError('CUTOFF_OUTDATED')
    const { guard, change } = raiseCutoff(cut, { actor: 'system', at: instant(0) }, refuse)
    expect(change).toEqual({ op: 'replace', table: 'Cutoff', row: row(1000) })
    expect(guard.where).toEqual({ key: { in: ['task:t'] }, before: { gt: 1000 } })
    expect(
      codeOf(() => {
        throw guard.refuse()
      }),
    ).toBe('CUTOFF_OUTDATED')
    expect(FOR_EVER).toBeGreaterThan(instant(4_102_444_800_000))
  })

  it('have a key for everything that a certificate rests on', () => {
    const certificate = { authority: 'aut', spkiHash: 'hash' }
    const instance = {
      id: 'i',
      agent: 'agt',
      node: 'nod',
      lineage: 'lin',
      evidenceDigest: 'ev',
      selectors: ['a:b', 'c:d'],
    }
    const keys = credentialCutoffKeys({ trustDomain: 'td', certificate, instance })
    expect(keys).toEqual([
      'trust-domain:td',
      'authority:aut',
      'node:nod',
      'agent:agt',
      'instance:i',
      'lineage:lin',
      'spki:hash',
      'evidence:ev',
      'selector:a:b',
      'selector:c:d',
    ])
    const homeless = credentialCutoffKeys({ trustDomain: 'td', certificate, instance: { ...instance, node: null } })
    expect(homeless.some((key) => key.startsWith('node:'))).toBe(false)
  })

  it('have a key for every token of a chain and every agent in it', () => {
    const keys = tokenCutoffKeys({ agents: ['a', 'b', 'a'], task: 't', subject: 's', chain: ['x', 'y'] })
    expect(keys).toEqual(['actor:a', 'actor:b', 'task:t', 'subject:s', 'token:x', 'token:y'])
    expect(cutoffKey('token', 'x')).toBe('token:x')
  })
})

describe('the standing of a token', () => {
  const at = instant(1_000)
  const token = {
    jti: 'c',
    task: 't',
    parent: 'p',
    ancestors: ['p'],
    actor: 's',
    agent: 'a',
    instance: 'i',
    audience: 'https://a.example',
    confirmation: 'x5t#S256:x',
    certificate: '01',
    statusIndex: 0,
    issuedAt: at,
    expiresAt: instant(2_000),
    revokedAt: null,
  }
  const parent = { ...token, jti: 'p', parent: null, ancestors: [], issuedAt: instant(500) }
  const certificate = {
    state: 'issued',
    notAfter: instant(9_000),
    issuedAt: instant(100),
    authority: 'aut',
    spkiHash: 'k',
  }
  const grounds = {
    trustDomain: 'td',
    token,
    ancestors: [parent],
    task: { state: 'active', deadline: instant(5_000), subject: 's' },
    agent: { state: 'active' },
    above: [],
    instance: { state: 'active', id: 'i', agent: 'a', node: null, lineage: 'l', evidenceDigest: 'e', selectors: [] },
    certificate,
    cutoffs: [],
  } as unknown as Grounds

  it('is good when everything that it rests on is', () => {
    expect(faultOf(grounds, at)).toBeNull()
    expect(cutoffKeysOf(grounds)).toEqual(expect.arrayContaining(['token:p', 'token:c', 'task:t', 'actor:a', 'spki:k']))
  })

  it('IN-3 counts what cannot be found as dead', () => {
    const missing = ['task', 'agent', 'instance', 'certificate'] as const
    for (const part of missing) expect(faultOf({ ...grounds, [part]: null }, at)).toBe(part)
    expect(faultOf({ ...grounds, ancestors: [] }, at)).toBe('ancestor')
  })

  it('promise 3: a cutoff between the first of the chain and the last reaches the last', () => {
    expect(faultOf({ ...grounds, cutoffs: [row(501)] }, at)).toBe('cut-off')
    expect(faultOf({ ...grounds, cutoffs: [row(500)] }, at)).toBeNull()
  })

  it('compares a cutoff of the certificate with the issue time of the certificate', () => {
    const cutoff = { ...row(101), key: 'spki:k', kind: 'spki' as const }
    expect(faultOf({ ...grounds, cutoffs: [cutoff] }, at)).toBe('cut-off')
    expect(faultOf({ ...grounds, cutoffs: [{ ...cutoff, before: instant(100) }] }, at)).toBeNull()
  })

  it('ends with the token and with its certificate, to the millisecond', () => {
    expect(faultOf(grounds, instant(1_999))).toBeNull()
    expect(faultOf(grounds, instant(2_000))).toBe('token-expired')
    const brief = { ...grounds, certificate: { ...certificate, notAfter: instant(1_500) } } as unknown as Grounds
    expect(faultOf(brief, instant(1_500))).toBe('certificate')
  })
})
