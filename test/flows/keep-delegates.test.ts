import { describe, expect, it } from 'vitest'
import { activeSigner, delegateSigner, revokingSigner } from '#authority/index.ts'
import { keepDelegates } from '#flows/keep-delegates.ts'
import { loadAuthorities } from '#flows/load-authorities.ts'
import { rotateAuthorities } from '#flows/rotate-authorities.ts'
import { prepareCrl } from '#issuance/index.ts'
import { after, DAY, HOUR, MINUTE, SECOND } from '#kernel/instant.ts'
import { cutoffKey, FOR_EVER } from '#revocation/index.ts'
import { withSuccessor } from '../support/authority-steps.ts'
import { certificateOf, OcspHouse } from '../support/ocsp.ts'
import { newTrustDomain } from '../support/trust-domain.ts'

describe('the responders', () => {
  it('promise 1 are recorded before they are signed, like everything else', async () => {
    const house = await OcspHouse.open()
    const { leaves } = house.domain.store
    const [delegate] = house.delegates()
    expect(delegate).toMatchObject({ state: 'active', issuer: house.issuer.id, version: 2 })
    expect(leaves.slice(-2).map(({ draft }) => draft.type)).toEqual(['authority.prepared', 'certificate.issued'])
    expect(leaves.at(-2)?.draft.commitments).toMatchObject({ prepared: delegate?.id, authority: house.issuer.id })
    expect(leaves.at(-1)?.draft.commitments).toMatchObject({ activated: delegate?.id })
    const rows = house.domain.store.all('Certificate').filter(({ kind }) => kind === 'ocsp')
    expect(rows).toMatchObject([{ state: 'issued', authority: house.issuer.id, spiffeId: null, instance: null }])
  })

  it('are made once: to look again changes nothing', async () => {
    const house = await OcspHouse.open()
    const { commits } = house.domain.store
    expect(await keepDelegates(house.domain.ports)).toEqual({ taken: 0, failed: [] })
    expect(house.domain.store.commits).toBe(commits)
  })

  it('O5 live for three days and are followed at half of that, one after the other, as long as the issuer lives', async () => {
    const house = await OcspHouse.open()
    const { domain } = house
    const serial = await house.issue()
    const first = house.delegates('active')[0]
    expect(first?.notAfter).toBe(after(domain.clock.now(), 3 * DAY))
    domain.clock.advance(36 * HOUR - MINUTE)
    expect((await keepDelegates(domain.ports)).taken).toBe(0)
    domain.clock.advance(MINUTE)
    expect((await keepDelegates(domain.ports)).taken).toBe(1)
    expect(house.delegates().map(({ state }) => state)).toEqual(['retired', 'active'])
    expect(domain.store.leaves.at(-1)?.draft.commitments).toMatchObject({ retired: first?.id })
    expect(await house.statusOf(serial)).toEqual({ kind: 'good' })
  })

  it('never outlive their issuer, and the last one is not followed', async () => {
    const house = await OcspHouse.open()
    const { domain, issuer } = house
    domain.clock.set(after(issuer.notAfter, -DAY))
    await keepDelegates(domain.ports)
    const [last] = house.delegates('active')
    expect(last?.notAfter).toBe(issuer.notAfter)
    for (const left of [HOUR, 10 * MINUTE, 3 * MINUTE]) {
      domain.clock.set(after(issuer.notAfter, -left))
      expect((await keepDelegates(domain.ports)).taken).toBe(0)
    }
    domain.clock.set(issuer.notAfter)
    await keepDelegates(domain.ports)
    expect(house.delegates('active').filter((one) => one.issuer === issuer.id)).toEqual([])
  })

  it('are there before a new authority signs, one for each', async () => {
    const house = await OcspHouse.open()
    const next = await withSuccessor(house.domain)
    await keepDelegates(house.domain.ports)
    expect(house.delegates('active').map(({ issuer }) => issuer)).toEqual([house.issuer.id, next.id])
    const set = await loadAuthorities(house.domain.ports)
    expect(set.active('x509').authorityId).toBe(house.issuer.id)
  })

  it('have no part in the rotation of the other kinds', async () => {
    const house = await OcspHouse.open()
    const before = house.delegates()
    const { taken, failed } = await rotateAuthorities(house.domain.ports)
    expect([taken, failed.size]).toEqual([0, 0])
    expect(house.delegates()).toEqual(before)
    expect(
      house.domain.authorities
        .current()
        .bundle()
        .entries.map(({ use }) => use),
    ).toEqual(['x509-svid', 'jwt-svid', 'wit-svid'])
  })
})

describe('a responder whose key was taken back', () => {
  it('answers nothing more, and is replaced at the next run', async () => {
    const house = await OcspHouse.open()
    const serial = await house.issue()
    expect(await house.statusOf(serial)).toEqual({ kind: 'good' })
    const [stolen] = house.delegates('active')
    const row = house.domain.store.all('Certificate').find(({ kind }) => kind === 'ocsp')
    await house.cutOff('spki', row?.spkiHash ?? '', FOR_EVER)
    expect(await house.statusOf(serial)).toBe('tryLater')
    expect(await keepDelegates(house.domain.ports)).toEqual({ taken: 1, failed: [] })
    expect(await house.statusOf(serial)).toEqual({ kind: 'good' })
    expect(await house.statusOf(row?.serial ?? '')).toMatchObject({ kind: 'revoked', reason: 'keyCompromise' })
    expect(house.domain.store.all('Authority').find(({ id }) => id === stolen?.id)?.state).toBe('retired')
  })

  it('is not one whose issuer was taken back: that is what it has to say', async () => {
    const house = await OcspHouse.open()
    const serial = await house.issue()
    await house.cutOff('authority', house.issuer.id, after(house.domain.clock.now(), SECOND), 'ca_compromise')
    expect(await house.statusOf(serial)).toMatchObject({ kind: 'revoked', reason: 'cACompromise' })
    expect(await house.domain.store.find('Cutoff', { key: cutoffKey('authority', house.issuer.id) })).not.toBeNull()
  })
})

describe('a responder that cannot be made', () => {
  it('leaves nothing behind while the key of its issuer is away', async () => {
    const domain = await newTrustDomain()
    const issuer = domain.store.all('Authority').find(({ kind }) => kind === 'x509')
    const reference = issuer?.keyReference ?? ''
    const pair = domain.keys.pair(reference)
    domain.keys.remove(reference)
    const rows = domain.store.all('Authority').length
    expect(await keepDelegates(domain.ports)).toMatchObject({ taken: 0, failed: [{ code: 'KEY_NOT_FOUND' }] })
    expect(domain.store.all('Authority')).toHaveLength(rows)
    domain.keys.put(reference, pair)
    expect(await keepDelegates(domain.ports)).toEqual({ taken: 1, failed: [] })
  })

  it.each(['before', 'after'] as const)(
    'is given up when its signature fails %s it was made, and made anew',
    async (when) => {
      const domain = await newTrustDomain()
      domain.keys.fail = { when, signature: domain.keys.signatures + 1 }
      expect(await keepDelegates(domain.ports)).toMatchObject({ taken: 0, failed: [{ code: 'KEY_UNUSABLE' }] })
      const house = new OcspHouse(domain)
      expect(house.delegates()).toMatchObject([{ state: 'prepared', certificate: null }])
      // Somebody may still be at it.
      expect(await keepDelegates(domain.ports)).toEqual({ taken: 0, failed: [] })
      domain.clock.advance(MINUTE + 1)
      expect(await keepDelegates(domain.ports)).toEqual({ taken: 2, failed: [] })
      expect(
        house
          .delegates()
          .map(({ state }) => state)
          .sort(),
      ).toEqual(['active', 'retired'])
    },
  )

  it.each(['before', 'after'] as const)(
    'is found where it was left when the store fails %s any commit',
    async (when) => {
      for (const nth of [1, 2]) {
        const domain = await newTrustDomain()
        domain.store.fail = { when, commit: domain.store.commits + nth }
        await keepDelegates(domain.ports)
        domain.store.fail = null
        domain.clock.advance(2 * MINUTE)
        await keepDelegates(domain.ports)
        const house = new OcspHouse(domain)
        expect(house.delegates('active'), `${when} ${String(nth)}`).toHaveLength(1)
        expect(house.delegates('prepared')).toEqual([])
        expect(await house.statusOf(await house.issue())).toEqual({ kind: 'good' })
      }
    },
  )

  it('is made by one of two replicas that look at once, or the earlier one goes', async () => {
    const domain = await newTrustDomain()
    await Promise.all([keepDelegates(domain.ports), keepDelegates(domain.ports)])
    await keepDelegates(domain.ports)
    const house = new OcspHouse(domain)
    expect(house.delegates('active')).toHaveLength(1)
    expect(await house.statusOf(await house.issue())).toEqual({ kind: 'good' })
  })
})

describe("a responder's key", () => {
  it('is taken for nothing but answers: not for a CRL, nor as one that signs for others', async () => {
    const house = await OcspHouse.open()
    const [delegate] = house.delegates('active')
    if (delegate === undefined) throw new TypeError('no delegate')
    const signer = delegateSigner(delegate, await house.domain.keys.open(delegate.keyReference))
    const key = await house.domain.keys.open(delegate.keyReference)
    expect(() => activeSigner(delegate, key)).toThrow(expect.objectContaining({ code: 'AUTHORITY_NOT_ACTIVE' }))
    expect(() => revokingSigner(delegate, key)).toThrow(expect.objectContaining({ code: 'AUTHORITY_NOT_ACTIVE' }))
    const now = certificateOf(delegate).notBefore
    const order = { entries: [], number: 1n, thisUpdate: now, nextUpdate: after(now, HOUR) }
    // @ts-expect-error a responder signs no CRL
    expect(prepareCrl({ ...order, signer })).toBeDefined()
  })

  it('is nobody else: an authority cannot answer in its own name', async () => {
    const house = await OcspHouse.open()
    const key = await house.domain.keys.open(house.issuer.keyReference)
    expect(() => delegateSigner(house.issuer, key)).toThrow(expect.objectContaining({ code: 'AUTHORITY_NOT_ACTIVE' }))
    const [delegate] = house.delegates('active')
    if (delegate === undefined) throw new TypeError('no delegate')
    const other = { ...delegate, certificate: house.issuer.certificate }
    const own = await house.domain.keys.open(delegate.keyReference)
    expect(() => delegateSigner(other, own)).toThrow(expect.objectContaining({ code: 'AUTHORITY_CERTIFICATE_INVALID' }))
  })
})
