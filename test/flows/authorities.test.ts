import { describe, expect, it } from 'vitest'
import { initializeAuthorities } from '#flows/initialize-authorities.ts'
import { issueX509Svid } from '#flows/issue-x509-svid.ts'
import { loadAuthorities } from '#flows/load-authorities.ts'
import { prepareAuthority } from '#flows/prepare-authority.ts'
import { after, DAY, instant } from '#kernel/instant.ts'
import { authorityFindings, buildPath, verifyX509Svid } from '#x509/index.ts'
import { byState, states } from '../support/authority-steps.ts'
import { emptyTrustDomain, newTrustDomain, svidOrder } from '../support/trust-domain.ts'
import { newKeyPair } from '../support/x509.ts'

describe('the first authorities, self-rooted', () => {
  it('are one for each kind, active, each X.509 one its own anchor', async () => {
    const domain = await newTrustDomain()
    const set = domain.authorities.current()
    expect(set.mode).toBe('self-rooted')
    for (const kind of ['x509', 'jwt-svid', 'wit-svid', 'access-token', 'status'] as const)
      expect(states(domain, kind)).toEqual(['active'])
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
      'authority.prepared',
      'authority.prepared',
      'authority.prepared',
      'authority.publish',
      'authority.publish',
      'authority.publish',
      'authority.publish',
      'authority.publish',
      'authority.publish',
      'certificate.intent',
      'certificate.issued',
      'authority.activate',
      'authority.activate',
      'authority.activate',
      'authority.activate',
      'authority.activate',
      'authority.activate',
    ])
  })

  it('are made once: to repeat it changes nothing', async () => {
    const domain = await newTrustDomain()
    const order = { actor: 'local:0', options: { mode: 'self-rooted' } } as const
    await initializeAuthorities(domain.ports, order)
    expect(domain.store.all('Authority')).toHaveLength(6)
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
