import { beforeEach, describe, expect, it } from 'vitest'
import { AuthoritySet } from '#authority/index.ts'
import { retireAgent, suspendAgent } from '#flows/admin/agent-state.ts'
import { addPrincipal, removePrincipal } from '#flows/admin/principals.ts'
import { authenticate } from '#flows/authenticate.ts'
import { prepareAuthority } from '#flows/prepare-authority.ts'
import { transitionAuthority, type AuthorityStep } from '#flows/transition-authority.ts'
import type { Bytes } from '#kernel/bytes.ts'
import { after, HOUR, instant, MINUTE, SECOND, type Instant } from '#kernel/instant.ts'
import { cutoffKey, FOR_EVER, type CutoffKind } from '#revocation/index.ts'
import { encodeName, parseCertificate } from '#x509/index.ts'
import { codeOfAsync } from '../support/code-of.ts'
import { enrollNew, newAgent, newWorld, peerWith, type Enrolled, type World } from '../support/enrollment.ts'
import { altName, LEAF_KEY, newKeyPair, TestAuthority, uri } from '../support/x509.ts'

let world: World
let enrolled: Enrolled
beforeEach(async () => {
  world = await newWorld()
  await newAgent(world)
  enrolled = await enrollNew(world)
})

const refusal = (...chain: readonly Bytes[]) => codeOfAsync(() => authenticate(world.ports, peerWith(...chain)))
const again = () => refusal(enrolled.answer.svid.certificate)

/** An authority of somebody else, or ours as it might have been forged. */
function leafOf(authority: TestAuthority, id: string, now: Instant = world.clock.now()): Bytes {
  const template = { notBefore: instant(now - MINUTE), notAfter: after(now, HOUR) }
  return authority.leafDer({ template, extensions: [altName(uri(id))] })
}

function authorityAt(name: string, now: Instant = world.clock.now()): TestAuthority {
  return TestAuthority.root(name, { template: { notBefore: instant(now - HOUR), notAfter: after(now, 24 * HOUR) } })
}

describe('a client certificate', () => {
  it('that we issued authenticates its instance', async () => {
    const caller = await authenticate(world.ports, enrolled.peer)
    const { identity } = caller
    expect(caller.name).toBe(enrolled.answer.svid.spiffeId)
    expect(identity).toMatchObject({
      kind: 'agent',
      agent: { name: 'invoice-bot' },
      instance: { id: enrolled.answer.instance },
      certificate: { serial: enrolled.answer.svid.serial },
    })
    expect(caller.requireAgent().thumbprint).toMatch(/^[A-Za-z0-9_-]{43}$/)
    expect(() => caller.requireRole('viewer')).toThrow(expect.objectContaining({ code: 'ROLE_REQUIRED' }))
  })

  it('that is not there is an anonymous caller, who can do nothing', async () => {
    const caller = await authenticate(world.ports, peerWith())
    expect(caller.name).toBe('anonymous')
    expect(() => caller.requireAgent()).toThrow(expect.objectContaining({ code: 'AUTHENTICATION_REQUIRED' }))
    expect(() => caller.requireRole('viewer')).toThrow(expect.objectContaining({ code: 'AUTHENTICATION_REQUIRED' }))
  })

  it('that is no certificate is refused, never anonymous', async () => {
    expect(await refusal(new Uint8Array([0x30, 0]))).toBe('CLIENT_CERTIFICATE_INVALID')
    expect(await refusal(new Uint8Array(20_000))).toBe('CLIENT_CERTIFICATE_INVALID')
  })

  it('that has expired is refused, also when it was good at the request before', async () => {
    expect(await again()).toBe('ACCEPTED')
    world.clock.set(after(enrolled.answer.svid.notAfter, SECOND))
    expect(await again()).toBe('CLIENT_CERTIFICATE_EXPIRED')
  })

  it('that is not valid yet is refused', async () => {
    world.clock.set(instant(enrolled.answer.svid.notBefore - 1))
    expect(await again()).toBe('CLIENT_CERTIFICATE_NOT_YET_VALID')
  })

  it('that somebody made for themselves is refused, expired or not', async () => {
    const other = authorityAt('Other')
    const id = enrolled.answer.svid.spiffeId
    expect(await refusal(leafOf(other, id))).toBe('CLIENT_CERTIFICATE_UNTRUSTED')
    expect(await refusal(leafOf(other, id), other.certificate.der)).toBe('CLIENT_CERTIFICATE_UNTRUSTED')
    const past = instant(world.clock.now() - 3 * HOUR)
    expect(await refusal(leafOf(other, id, past))).toBe('CLIENT_CERTIFICATE_UNTRUSTED')
  })

  it('whose issuer only bears the name of our authority is refused', async () => {
    const { certificate } = world.authorities.current().active('x509')
    const key = newKeyPair()
    const now = world.clock.now()
    const template = {
      notBefore: instant(now - HOUR),
      notAfter: after(now, HOUR),
      issuer: certificate?.subject ?? encodeName({ commonName: 'x' }),
      subject: certificate?.subject ?? encodeName({ commonName: 'x' }),
    }
    const forged = TestAuthority.root('Forged', { template }, key)
    expect(await refusal(leafOf(forged, enrolled.answer.svid.spiffeId))).toBe('CLIENT_CERTIFICATE_UNTRUSTED')
  })

  it('of another trust domain is refused', async () => {
    const other = authorityAt('Other')
    expect(await refusal(leafOf(other, 'spiffe://other.org/agent/invoice-bot/i-1'))).toBe(
      'CLIENT_CERTIFICATE_TRUST_DOMAIN',
    )
  })

  it('of an authority that was removed is refused', async () => {
    const { ports, authorities } = world
    const { authorityId } = authorities.current().active('x509')
    const next = await prepareAuthority(ports, { actor: 'local:1000', kind: 'x509' })
    const step = (id: string, name: AuthorityStep) =>
      transitionAuthority(ports, { actor: 'local:1000', id, step: name, urgent: true })
    await step(next.id, 'publish')
    await step(next.id, 'activate')
    expect(await again()).toBe('ACCEPTED')
    await step(authorityId, 'retire')
    expect(await again()).toBe('CLIENT_CERTIFICATE_UNTRUSTED')
  })

  it('is looked at anew on an open connection: time, authorities and records may have changed', async () => {
    const { ports, authorities } = world
    const onSameConnection = () => codeOfAsync(() => authenticate(ports, enrolled.peer))
    expect(await onSameConnection()).toBe('ACCEPTED')
    const before = world.clock.now()
    world.clock.set(enrolled.answer.svid.notAfter)
    world.clock.advance(SECOND)
    expect(await onSameConnection()).toBe('CLIENT_CERTIFICATE_EXPIRED')
    world.clock.set(instant(enrolled.answer.svid.notBefore - 1))
    expect(await onSameConnection()).toBe('CLIENT_CERTIFICATE_NOT_YET_VALID')
    world.clock.set(before)
    expect(await onSameConnection()).toBe('ACCEPTED')
    const { trustDomain } = authorities.current()
    authorities.replace(AuthoritySet.of({ trustDomain, records: [], signers: new Map() }))
    expect(await onSameConnection()).toBe('CLIENT_CERTIFICATE_UNTRUSTED')
  })

  it('that is an authority itself is refused', async () => {
    const { certificate } = world.authorities.current().active('x509')
    expect(await refusal(certificate?.der ?? new Uint8Array())).toBe('CLIENT_CERTIFICATE_INVALID')
  })

  it('that we signed and have no record of is refused', async () => {
    const row = world.store.all('Authority').find(({ kind }) => kind === 'x509')
    const key = world.keys.pair(row?.keyReference ?? '')
    const certificate = parseCertificate(row?.certificate ?? new Uint8Array())
    const now = world.clock.now()
    const signer = TestAuthority.root(
      'x',
      {
        template: {
          subject: certificate.subject,
          issuer: certificate.subject,
          notBefore: instant(now - HOUR),
          notAfter: after(now, HOUR),
        },
      },
      key,
    )
    expect(await refusal(leafOf(signer, enrolled.answer.svid.spiffeId))).toBe('CLIENT_CERTIFICATE_UNKNOWN')
  })

  it('is judged by its leaf: what is sent behind it adds no trust and does no harm', async () => {
    const other = authorityAt('Other')
    expect(await refusal(enrolled.answer.svid.certificate, other.certificate.der)).toBe('ACCEPTED')
    expect(await refusal(enrolled.answer.svid.certificate, new Uint8Array([1, 2, 3]))).toBe('ACCEPTED')
  })
})

describe('promise 6: what was taken back is refused at the next request', () => {
  it.each([
    ['Certificate', { state: 'revoked' }],
    ['Certificate', { state: 'intent' }],
    ['Instance', { state: 'revoked' }],
    ['Agent', { state: 'retired' }],
  ] as const)('a %s in %j', async (table, set) => {
    const where = table === 'Certificate' ? { kind: 'svid' } : {}
    const leaf = { type: 'test.change', actor: 'system', object: 'test:1', decision: 'permit' } as const
    await world.store.commit({
      lock: 'revoke',
      guards: [],
      changes: [{ op: 'update', table, where, set, refuse: () => new TypeError('no row') } as never],
      leaf: { ...leaf, inputDigest: null, policy: null, commitments: {} },
      events: [],
    })
    expect(await again()).toBe('CLIENT_CERTIFICATE_REVOKED')
  })

  it('an agent that is retired by its operator', async () => {
    await retireAgent(world.ports, world.admin, { name: 'invoice-bot' })
    expect(await again()).toBe('CLIENT_CERTIFICATE_REVOKED')
  })

  it('but not one that is suspended: it is still known, and gets nothing new', async () => {
    await suspendAgent(world.ports, world.admin, { name: 'invoice-bot' })
    const caller = await authenticate(world.ports, enrolled.peer)
    expect(caller.requireAgent().agent.state).toBe('suspended')
  })

  const cutoffs: readonly [CutoffKind, (world: World) => string][] = [
    ['trust-domain', () => 'example.org'],
    ['authority', ({ store }) => svidRow(store).authority],
    ['agent', ({ store }) => svidRow(store).agent ?? ''],
    ['instance', ({ store }) => svidRow(store).instance ?? ''],
    ['lineage', ({ store }) => svidRow(store).lineage ?? ''],
    ['spki', ({ store }) => svidRow(store).spkiHash],
    ['evidence', ({ store }) => store.all('Instance')[0]?.evidenceDigest ?? ''],
  ]
  it.each(cutoffs)('a cutoff by %s', async (kind, valueOf) => {
    const value = valueOf(world)
    const now = world.clock.now()
    const row = { kind, value, reason: 'test', createdBy: 'system', createdAt: now }
    world.store.seed('Cutoff', { key: cutoffKey(kind, value), before: FOR_EVER, ...row })
    expect(await again()).toBe('CLIENT_CERTIFICATE_REVOKED')
  })

  it('a cutoff compares issue times, so that what was issued at that time or later lives', async () => {
    const { agent, issuedAt } = svidRow(world.store)
    const row = { kind: 'agent', value: agent ?? '', reason: 'test', createdBy: 'system', createdAt: issuedAt } as const
    world.store.seed('Cutoff', { key: cutoffKey('agent', agent ?? ''), before: issuedAt, ...row })
    expect(await again()).toBe('ACCEPTED')
  })
})

function svidRow(store: World['store']) {
  const row = store.all('Certificate').find(({ kind }) => kind === 'svid')
  if (row === undefined) throw new TypeError('nothing was issued')
  return row
}

describe('people', () => {
  it('of the machine are known by their uid, if they are principals', async () => {
    const caller = await authenticate(world.ports, { kind: 'unix', uid: 1000 })
    expect(caller.name).toBe('local:1000')
    expect(caller.requireRole('auditor').roles).toEqual(['admin'])
    expect(() => caller.requireAgent()).toThrow(expect.objectContaining({ code: 'CALLER_NOT_AGENT' }))
    expect(await codeOfAsync(() => authenticate(world.ports, { kind: 'unix', uid: 0 }))).toBe('LOCAL_USER_UNKNOWN')
  })

  it('with a certificate under /admin are principals with their roles, or nobody', async () => {
    await newAgent(world, { name: 'alice', path: '/admin/alice', identity: 'agent' })
    const { peer } = await enrollNew(world, 'alice', LEAF_KEY)
    expect(await codeOfAsync(() => authenticate(world.ports, peer))).toBe('PRINCIPAL_UNKNOWN')
    const subject = 'spiffe://example.org/admin/alice'
    const request = { subject, name: 'Alice', roles: ['operator'] as const }
    const { id } = await addPrincipal(world.ports, world.admin, request)
    const caller = await authenticate(world.ports, peer)
    expect(caller.identity.kind).toBe('principal')
    expect(caller.name).toBe(subject)
    expect(caller.requireRole('operator').id).toBe(id)
    expect(() => caller.requireRole('admin')).toThrow(expect.objectContaining({ code: 'ROLE_REQUIRED' }))
    await removePrincipal(world.ports, world.admin, id)
    expect(await codeOfAsync(() => authenticate(world.ports, peer))).toBe('PRINCIPAL_UNKNOWN')
  })
})
