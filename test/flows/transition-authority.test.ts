import { describe, expect, it } from 'vitest'
import { initializeAuthorities } from '#flows/initialize-authorities.ts'
import { issueX509Svid } from '#flows/issue-x509-svid.ts'
import { loadAuthorities } from '#flows/load-authorities.ts'
import type { Journal } from '#flows/ports.ts'
import { prepareAuthority } from '#flows/prepare-authority.ts'
import { rotateAuthorities } from '#flows/rotate-authorities.ts'
import { transitionAuthority } from '#flows/transition-authority.ts'
import { DAY, HOUR, instant, MINUTE } from '#kernel/instant.ts'
import { decodeBundle, encodeBundle, TrustDomain } from '#spiffe/index.ts'
import { verifyX509Svid } from '#x509/index.ts'
import { byState, states, step, withSuccessor } from '../support/authority-steps.ts'
import { codeOfAsync } from '../support/code-of.ts'
import { emptyTrustDomain, newTrustDomain, svidOrder, TRUST_DOMAIN } from '../support/trust-domain.ts'
import { newKeyPair } from '../support/x509.ts'

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

  it('tells who loses against another replica while its canary is on the way, as it tells any other loser', async () => {
    const domain = await newTrustDomain()
    const next = await withSuccessor(domain)
    let isFirst = true
    const journal: Journal = {
      commit: async (commit) => {
        const isCanary = commit.leaf.commitments['canary'] === next.id
        if (isCanary && isFirst) {
          isFirst = false
          await step(domain, next.id, 'activate')
        }
        return domain.store.commit(commit)
      },
    }
    const order = { actor: 'local:1', id: next.id, step: 'activate' } as const
    expect(await codeOfAsync(() => transitionAuthority({ ...domain.ports, journal }, order))).toBe('AUTHORITY_CHANGED')
    expect(byState(domain, 'x509', 'active').id).toBe(next.id)
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

  it('takes a tainted authority out of the bundle at once, and never the active one without a successor', async () => {
    const domain = await newTrustDomain()
    const first = byState(domain, 'x509', 'active')
    await expect(step(domain, first.id, 'taint')).rejects.toMatchObject({ code: 'AUTHORITY_NO_SUCCESSOR' })
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

describe('a rotation in trouble', () => {
  it('goes on with the other kinds, and with the active authorities, when the root is not at hand', async () => {
    const domain = await newTrustDomain({ options: { mode: 'rooted', root: 'generate' } })
    domain.keys.remove(byState(domain, 'x509-root', 'active').keyReference)
    domain.clock.advance(16 * DAY)
    const { failed } = await rotateAuthorities(domain.ports)
    expect([...failed.keys()]).toEqual(['x509'])
    expect(failed.get('x509')).toMatchObject({ code: 'AUTHORITY_ROOT_UNAVAILABLE' })
    expect(states(domain, 'jwt-svid').sort()).toEqual(['active', 'published'])
    await expect(issueX509Svid(domain.ports, await svidOrder(domain))).resolves.toBeDefined()
  })

  it('fails when a kind is left without an active authority', async () => {
    const domain = await emptyTrustDomain()
    domain.keys.generate = () => Promise.reject(new TypeError('disk full'))
    const order = { actor: 'local:0', options: { mode: 'self-rooted' } } as const
    await expect(initializeAuthorities(domain.ports, order)).rejects.toThrow(TypeError)
  })

  it('prepares one authority, not one after the other, where the root ends first', async () => {
    const domain = await newTrustDomain({ options: { mode: 'rooted', root: 'generate' } })
    const root = byState(domain, 'x509-root', 'active')
    for (let left = 40; left > 1; left--) {
      domain.clock.set(instant(root.notAfter - left * DAY))
      await rotateAuthorities(domain.ports)
      await rotateAuthorities(domain.ports)
    }
    expect(domain.store.all('Authority').filter(({ kind }) => kind === 'x509').length).toBeLessThan(6)
  })

  it('comes to rest when two replicas rotate at once', async () => {
    const domain = await newTrustDomain()
    domain.clock.advance(16 * DAY)
    await Promise.all([rotateAuthorities(domain.ports), rotateAuthorities(domain.ports)])
    domain.clock.advance(10 * DAY)
    await Promise.all([rotateAuthorities(domain.ports), rotateAuthorities(domain.ports)])
    for (const kind of ['x509', 'jwt-svid', 'access-token'] as const) {
      expect(states(domain, kind).filter((state) => state === 'active')).toHaveLength(1)
    }
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
