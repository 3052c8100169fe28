import { describe, expect, it } from 'vitest'
import type { AuthorityRecord } from '#authority/index.ts'
import { initializeAuthorities } from '#flows/initialize-authorities.ts'
import { issueX509Svid } from '#flows/issue-x509-svid.ts'
import { loadAuthorities } from '#flows/load-authorities.ts'
import { prepareAuthority } from '#flows/prepare-authority.ts'
import { rotateAuthorities } from '#flows/rotate-authorities.ts'
import { transitionAuthority } from '#flows/transition-authority.ts'
import { after, DAY, HOUR, instant, MINUTE } from '#kernel/instant.ts'
import { decodeBundle, encodeBundle, TrustDomain } from '#spiffe/index.ts'
import { authorityFindings, buildPath, verifyX509Svid } from '#x509/index.ts'
import {
  emptyTrustDomain,
  newTrustDomain,
  svidOrder,
  TRUST_DOMAIN,
  type TestTrustDomain,
} from '../support/trust-domain.ts'
import { newKeyPair } from '../support/x509.ts'

const states = (domain: TestTrustDomain, kind: AuthorityRecord['kind']) =>
  domain.store.all('Authority').flatMap((record) => (record.kind === kind ? [record.state] : []))

function byState(
  domain: TestTrustDomain,
  kind: AuthorityRecord['kind'],
  state: AuthorityRecord['state'],
): AuthorityRecord {
  const found = domain.store.all('Authority').find((record) => record.kind === kind && record.state === state)
  if (found === undefined) throw new TypeError(`no ${state} ${kind}`)
  return found
}

/** A second X.509 authority, published long enough ago to take over. */
async function withSuccessor(domain: TestTrustDomain): Promise<AuthorityRecord> {
  const next = await prepareAuthority(domain.ports, { actor: 'local:0', kind: 'x509' })
  const published = await transitionAuthority(domain.ports, { actor: 'local:0', id: next.id, step: 'publish' })
  domain.clock.advance(10 * MINUTE)
  return published
}

const step = (
  domain: TestTrustDomain,
  id: string,
  name: 'activate' | 'rollback' | 'retire' | 'taint',
  urgent = false,
) => transitionAuthority(domain.ports, { actor: 'local:0', id, step: name, urgent })

describe('the first authorities, self-rooted', () => {
  it('are one for each kind, active, each X.509 one its own anchor', async () => {
    const domain = await newTrustDomain()
    const set = domain.authorities.current()
    expect(set.mode).toBe('self-rooted')
    for (const kind of ['x509', 'jwt-svid', 'access-token'] as const) expect(states(domain, kind)).toEqual(['active'])
    const [anchor] = set.anchors()
    expect(anchor && authorityFindings(anchor)).toEqual([])
    expect(set.intermediates()).toEqual([])
    expect(set.active('x509').notAfter).toBe(after(domain.clock.now(), 30 * DAY))
  })

  it('promise 1 signs nothing that is not recorded: authority and canary have their rows and leaves', async () => {
    const domain = await newTrustDomain()
    const rows = domain.store.all('Certificate')
    expect(rows.map(({ kind, state }) => `${kind} ${state}`).sort()).toEqual(['authority issued', 'canary issued'])
    expect(domain.keys.signed).toHaveLength(2)
    expect(domain.store.leaves.map(({ draft }) => draft.type)).toEqual([
      'authority.prepared',
      'certificate.issued',
      'authority.prepared',
      'authority.prepared',
      'authority.publish',
      'authority.publish',
      'authority.publish',
      'certificate.intent',
      'certificate.issued',
      'authority.activate',
      'authority.activate',
      'authority.activate',
    ])
  })

  it('are made once: to repeat it changes nothing', async () => {
    const domain = await newTrustDomain()
    const order = { actor: 'local:0', options: { mode: 'self-rooted' } } as const
    await initializeAuthorities(domain.ports, order)
    expect(domain.store.all('Authority')).toHaveLength(3)
    const rooted = { actor: 'local:0', options: { mode: 'rooted', root: 'generate' } } as const
    await expect(initializeAuthorities(domain.ports, rooted)).rejects.toMatchObject({ code: 'AUTHORITY_MODE' })
  })
})

describe('the first authorities, rooted', () => {
  const options = { mode: 'rooted', root: 'generate' } as const

  it('are a root without pathLen in the bundle, and an issuing authority below it with pathLen 0', async () => {
    const domain = await newTrustDomain({ options })
    const set = domain.authorities.current()
    const [root] = set.anchors()
    const [issuing] = set.intermediates()
    expect(root?.extension('basicConstraints')?.pathLength).toBeUndefined()
    expect(issuing?.extension('basicConstraints')?.pathLength).toBe(0)
    expect(
      issuing && buildPath(issuing, [], root ? [root] : [], { at: domain.clock.now(), purpose: 'any' }),
    ).toBeDefined()
    const svid = await issueX509Svid(domain.ports, await svidOrder(domain))
    expect(svid.chain.map((der) => [...der])).toEqual([[...(issuing?.der ?? [])]])
    const verified = verifyX509Svid([svid.certificate, ...svid.chain], () => set.anchors(), {
      at: domain.clock.now(),
      purpose: 'serverAuth',
    })
    expect(verified.path.certificates).toHaveLength(3)
  })

  it('never outlive the root', async () => {
    const domain = await newTrustDomain({ options })
    const root = byState(domain, 'x509-root', 'active')
    domain.clock.set(instant(root.notAfter - 10 * DAY))
    const next = await prepareAuthority(domain.ports, { actor: 'local:0', kind: 'x509' })
    expect(next.notAfter).toBe(root.notAfter)
  })

  it('need the key of the root only to be signed', async () => {
    const domain = await newTrustDomain({ options })
    domain.keys.remove(byState(domain, 'x509-root', 'active').keyReference)
    await expect(loadAuthorities(domain.ports)).resolves.toBeDefined()
    await expect(issueX509Svid(domain.ports, await svidOrder(domain))).resolves.toBeDefined()
    const preparation = prepareAuthority(domain.ports, { actor: 'local:0', kind: 'x509' })
    await expect(preparation).rejects.toMatchObject({ code: 'AUTHORITY_ROOT_UNAVAILABLE' })
  })

  it('hang below a root of the operator, who gives its certificate and key', async () => {
    const other = await newTrustDomain({ options })
    const root = byState(other, 'x509-root', 'active')
    const empty = await emptyTrustDomain()
    empty.keys.put('file:/root.pem', other.keys.pair(root.keyReference))
    const certificate = root.certificate ?? new Uint8Array()
    const given = { mode: 'rooted', root: { certificate, keyReference: 'file:/root.pem' } } as const
    const authorities = await initializeAuthorities(empty.ports, { actor: 'local:0', options: given })
    expect(
      authorities
        .current()
        .anchors()
        .map(({ der }) => [...der]),
    ).toEqual([[...certificate]])
    expect(authorities.current().intermediates()).toHaveLength(1)
  })

  it('refuse a root whose key is another, and one that may not sign', async () => {
    const other = await newTrustDomain({ options })
    const root = byState(other, 'x509-root', 'active').certificate ?? new Uint8Array()
    const empty = await emptyTrustDomain()
    empty.keys.put('file:/root.pem', newKeyPair())
    const given = (certificate: Uint8Array) =>
      initializeAuthorities(empty.ports, {
        actor: 'local:0',
        options: { mode: 'rooted', root: { certificate, keyReference: 'file:/root.pem' } },
      })
    await expect(given(root)).rejects.toMatchObject({ code: 'AUTHORITY_KEY_MISMATCH' })
    const leaf = await issueX509Svid(other.ports, await svidOrder(other))
    await expect(given(leaf.certificate)).rejects.toMatchObject({ code: 'AUTHORITY_CERTIFICATE_INVALID' })
    expect(empty.store.all('Authority')).toEqual([])
  })
})

describe('name constraints', () => {
  it('C14 bind authorities to the trust domain where asked for, and leaves still verify', async () => {
    const domain = await newTrustDomain({ profile: { nameConstraints: true } })
    const [anchor] = domain.authorities.current().anchors()
    expect(anchor?.extension('nameConstraints')).toMatchObject({ permitted: [{ type: 'uri', value: 'example.org' }] })
    await expect(issueX509Svid(domain.ports, await svidOrder(domain))).resolves.toBeDefined()
  })
})

describe('a change of authority', () => {
  it('promise 8 keeps every leaf trusted through publication, activation, rollback and retirement', async () => {
    const domain = await newTrustDomain()
    const leaves: Uint8Array[] = []
    const everyLeafVerifies = () => {
      const anchors = domain.authorities.current().anchors()
      for (const leaf of leaves)
        verifyX509Svid([leaf], () => anchors, { at: domain.clock.now(), purpose: 'clientAuth' })
    }
    const issue = async (name: string) => {
      const order = await svidOrder(domain, {
        instance: { id: `i-${name}`, spiffeId: `spiffe://example.org/agent/invoice-bot/i-${name}` },
      })
      leaves.push((await issueX509Svid(domain.ports, order)).certificate)
      everyLeafVerifies()
    }
    const first = byState(domain, 'x509', 'active')
    await issue('1')
    const next = await withSuccessor(domain)
    await issue('2')
    await step(domain, next.id, 'activate')
    await issue('3')
    expect(states(domain, 'x509').sort()).toEqual(['active', 'retiring'])
    await step(domain, next.id, 'rollback')
    await issue('4')
    expect(byState(domain, 'x509', 'active').id).toBe(first.id)
    await step(domain, next.id, 'activate')
    await issue('5')
    await expect(step(domain, first.id, 'retire')).rejects.toMatchObject({ code: 'AUTHORITY_STILL_NEEDED' })
    domain.clock.advance(DAY + 10 * MINUTE)
    await step(domain, first.id, 'retire')
    expect(domain.authorities.current().anchors()).toHaveLength(1)
    await expect(step(domain, next.id, 'rollback')).rejects.toMatchObject({ code: 'AUTHORITY_NO_PREDECESSOR' })
  })

  it('does not activate what others may not have fetched yet, except in an emergency', async () => {
    const domain = await newTrustDomain()
    const next = await prepareAuthority(domain.ports, { actor: 'local:0', kind: 'x509' })
    await transitionAuthority(domain.ports, { actor: 'local:0', id: next.id, step: 'publish' })
    await expect(step(domain, next.id, 'activate')).rejects.toMatchObject({ code: 'AUTHORITY_NOT_PROPAGATED' })
    await step(domain, next.id, 'activate', true)
    expect(domain.store.leaves.at(-1)?.draft.commitments).toMatchObject({ urgent: 'true', [next.id]: 'active' })
  })

  it('does not activate an authority whose canary does not verify', async () => {
    const domain = await newTrustDomain()
    const next = await withSuccessor(domain)
    // It may sign for another trust domain only.
    const other = await newTrustDomain({
      profile: { trustDomain: TrustDomain.parse('other.org'), nameConstraints: true },
    })
    const { certificate, publicKey, keyReference } = byState(other, 'x509', 'active')
    domain.keys.put(next.keyReference, other.keys.pair(keyReference))
    await domain.store.commit({
      lock: 'none',
      guards: [],
      changes: [
        {
          op: 'update',
          table: 'Authority',
          where: { id: next.id },
          set: { certificate, publicKey },
          refuse: () => {
            throw new TypeError('no such row')
          },
        },
      ],
      leaf: {
        type: 'test.change',
        actor: 'system',
        object: 'test:1',
        decision: 'permit',
        inputDigest: null,
        policy: null,
        commitments: {},
      },
      events: [],
    })
    await expect(step(domain, next.id, 'activate')).rejects.toMatchObject({ code: 'AUTHORITY_CANARY_FAILED' })
    expect(byState(domain, 'x509', 'active').id).not.toBe(next.id)
    expect(domain.store.all('Certificate').filter(({ kind }) => kind === 'canary')).toHaveLength(2)
  })

  it('does not activate an authority whose key is missing or another', async () => {
    const domain = await newTrustDomain()
    const next = await withSuccessor(domain)
    domain.keys.put(next.keyReference, newKeyPair())
    await expect(step(domain, next.id, 'activate')).rejects.toMatchObject({ code: 'AUTHORITY_KEY_MISMATCH' })
    domain.keys.remove(next.keyReference)
    await expect(step(domain, next.id, 'activate')).rejects.toMatchObject({ code: 'KEY_NOT_FOUND' })
    expect(states(domain, 'x509')).toEqual(['active', 'published'])
  })

  it('lets one of two operators win', async () => {
    const domain = await newTrustDomain()
    const next = await withSuccessor(domain)
    const both = await Promise.allSettled([step(domain, next.id, 'activate'), step(domain, next.id, 'activate')])
    expect(both.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    expect(both.find(({ status }) => status === 'rejected')).toMatchObject({ reason: { code: 'AUTHORITY_CHANGED' } })
    expect(states(domain, 'x509').sort()).toEqual(['active', 'retiring'])
  })

  it('refuses a step that was decided on an older version', async () => {
    const domain = await newTrustDomain()
    const next = await withSuccessor(domain)
    const order = { actor: 'local:0', id: next.id, step: 'activate', expectedVersion: next.version - 1 } as const
    await expect(transitionAuthority(domain.ports, order)).rejects.toMatchObject({ code: 'AUTHORITY_CHANGED' })
  })

  it('takes a tainted authority out of the bundle at once, but never the active one', async () => {
    const domain = await newTrustDomain()
    const first = byState(domain, 'x509', 'active')
    await expect(step(domain, first.id, 'taint')).rejects.toMatchObject({ code: 'AUTHORITY_TRANSITION' })
    const next = await withSuccessor(domain)
    await step(domain, next.id, 'activate')
    await step(domain, first.id, 'taint')
    expect(domain.authorities.current().bundle().x509Authorities).toHaveLength(1)
    await step(domain, first.id, 'retire')
    expect(states(domain, 'x509').sort()).toEqual(['active', 'retired'])
  })
})

describe('the rotation', () => {
  it('keeps one of each kind active for months, and everything that was issued trusted as long as it lives', async () => {
    const domain = await newTrustDomain()
    const leaves: { readonly der: Uint8Array; readonly until: number }[] = []
    let sequence = 0n
    for (let round = 0; round < 120; round++) {
      domain.clock.advance(23 * HOUR)
      await rotateAuthorities(domain.ports)
      const set = domain.authorities.current()
      for (const kind of ['x509', 'jwt-svid', 'access-token'] as const) {
        expect(set.active(kind).notAfter).toBeGreaterThan(domain.clock.now())
      }
      expect(set.bundle().sequence).toBeGreaterThanOrEqual(sequence)
      sequence = set.bundle().sequence ?? 0n
      const order = await svidOrder(domain, { agent: { x509Lifetime: DAY }, instance: { id: `i-${round.toString()}` } })
      const svid = await issueX509Svid(domain.ports, order)
      leaves.push({ der: svid.certificate, until: svid.notAfter })
      const alive = leaves.filter(({ until }) => until > domain.clock.now())
      for (const { der } of alive) {
        verifyX509Svid([der], () => set.anchors(), { at: domain.clock.now(), purpose: 'clientAuth' })
      }
    }
    expect(states(domain, 'x509').filter((state) => state === 'active')).toHaveLength(1)
    expect(states(domain, 'x509').filter((state) => state === 'retired').length).toBeGreaterThan(2)
    expect(states(domain, 'x509').filter((state) => state !== 'retired').length).toBeLessThanOrEqual(3)
  })
})

describe('the bundle', () => {
  it('B-2 has a sequence that rises with every change, and survives a restart', async () => {
    const domain = await newTrustDomain()
    const sequences = [domain.authorities.current().bundle().sequence ?? 0n]
    const next = await withSuccessor(domain)
    sequences.push(domain.authorities.current().bundle().sequence ?? 0n)
    await step(domain, next.id, 'activate')
    sequences.push(domain.authorities.current().bundle().sequence ?? 0n)
    await step(domain, next.id, 'rollback')
    sequences.push(domain.authorities.current().bundle().sequence ?? 0n)
    expect(sequences.every((value, index) => index === 0 || value > (sequences[index - 1] ?? value))).toBe(true)
    expect((await loadAuthorities(domain.ports)).bundle().sequence).toBe(sequences.at(-1))
  })

  it('X-14, B-3 reads back with our anchors, JWT-SVID keys by kid, a hint, and no access-token key', async () => {
    const domain = await newTrustDomain()
    const set = domain.authorities.current()
    const bundle = decodeBundle(TRUST_DOMAIN, encodeBundle(set.bundle()))
    expect(bundle.x509Authorities.map((der) => [...der])).toEqual(set.anchors().map(({ der }) => [...der]))
    expect(bundle.tokenAuthorities('jwt-svid').map(({ kid }) => kid)).toEqual([set.active('jwt-svid').kid])
    expect(bundle.refreshHint).toBe(300)
    expect(encodeBundle(set.bundle())).not.toContain(set.active('access-token').kid)
    expect(set.jwks('access-token').keys.map(({ kid }) => kid)).toEqual([set.active('access-token').kid])
    expect(set.jwks('jwt-svid').keys.map(({ kid }) => kid)).toEqual([set.active('jwt-svid').kid])
  })
})
