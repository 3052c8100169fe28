import { beforeEach, describe, expect, it } from 'vitest'
import { findIssued, issueX509Svid } from '#flows/issue-x509-svid.ts'
import { reconcileIntents } from '#flows/reconcile-intents.ts'
import { toHex } from '#kernel/bytes.ts'
import { after, HOUR, instant, MINUTE, SECOND } from '#kernel/instant.ts'
import { parseCertificate, verifyX509Svid } from '#x509/index.ts'
import { newTrustDomain, svidOrder, type TestTrustDomain } from '../support/trust-domain.ts'

describe('issuing an X.509-SVID', () => {
  let domain: TestTrustDomain
  beforeEach(async () => {
    domain = await newTrustDomain()
  })

  it('gives a certificate that every peer verifies, as long as registered and named as registered', async () => {
    const order = await svidOrder(domain)
    const svid = await issueX509Svid(domain.ports, order)
    const now = domain.clock.now()
    const verified = verifyX509Svid([svid.certificate], () => domain.authorities.current().anchors(), {
      at: now,
      purpose: 'clientAuth',
    })
    expect(verified.spiffeId.toString()).toBe('spiffe://example.org/agent/invoice-bot/i-0000000000000000')
    expect(svid.chain).toEqual([])
    expect(svid.notAfter).toBe(after(now, HOUR))
    expect(svid.notBefore).toBeGreaterThanOrEqual(now - 60 * SECOND)
    expect(svid.lifetimeCut).toBe(false)
  })

  it('promise 1 records the intent before it signs and the certificate before it answers', async () => {
    const before = domain.store.leaves.length
    const order = await svidOrder(domain)
    const svid = await issueX509Svid(domain.ports, order)
    const leaves = domain.store.leaves.slice(before).map(({ draft }) => draft)
    expect(leaves.map(({ type, object, decision }) => ({ type, object, decision }))).toEqual([
      { type: 'certificate.intent', object: `certificate:${svid.serial}`, decision: 'permit' },
      { type: 'certificate.issued', object: `certificate:${svid.serial}`, decision: 'permit' },
    ])
    expect(leaves[0]).toMatchObject({ inputDigest: order.grant.inputDigest, policy: order.grant.policyDigest })
    const row = await domain.store.find('Certificate', { serial: svid.serial })
    expect(row).toMatchObject({ state: 'issued', instance: order.instance.id, agent: order.instance.agent })
    expect(toHex(row?.der ?? new Uint8Array())).toBe(toHex(svid.certificate))
  })

  it('cuts the life at the end of the authority and says so', async () => {
    const { notAfter } = domain.authorities.current().active('x509')
    const order = await svidOrder(domain)
    domain.clock.set(instant(notAfter - 10 * MINUTE))
    const svid = await issueX509Svid(domain.ports, order)
    expect(svid).toMatchObject({ notAfter, lifetimeCut: true })
  })

  it('refuses a request that names another SPIFFE ID', async () => {
    const order = await svidOrder(domain, { requested: 'spiffe://example.org/agent/other/i-1' })
    await expect(issueX509Svid(domain.ports, order)).rejects.toMatchObject({ code: 'REQUEST_ID_DIFFERS' })
  })

  it('refuses a request for the key of an authority', async () => {
    const { keyReference } = domain.store.all('Authority')[0] ?? { keyReference: '' }
    const order = await svidOrder(domain, { key: domain.keys.pair(keyReference) })
    await expect(issueX509Svid(domain.ports, order)).rejects.toMatchObject({ code: 'REQUEST_KEY_FORBIDDEN' })
  })

  it.each([
    ['agent', 'suspended agent', 'ISSUANCE_AGENT_CHANGED'],
    ['instance', 'revoked instance', 'ISSUANCE_INSTANCE_ENDED'],
  ] as const)(
    'promise 3 refuses a %s that ended between the decision and the commit (%s)',
    async (which, _name, code) => {
      const order = await svidOrder(domain)
      const { journal } = domain.ports
      const change =
        which === 'agent'
          ? ({
              op: 'update',
              table: 'Agent',
              where: { id: order.instance.agent },
              set: { state: 'suspended' },
            } as const)
          : ({ op: 'update', table: 'Instance', where: { id: order.instance.id }, set: { state: 'revoked' } } as const)
      const refuse = () => {
        throw new TypeError('no such row')
      }
      const leaf = {
        type: 'test.change',
        actor: 'system',
        object: 'test:1',
        decision: 'permit',
        inputDigest: null,
        policy: null,
      } as const
      await journal.commit({
        lock: 'none',
        guards: [],
        changes: [{ ...change, refuse }],
        leaf: { ...leaf, commitments: {} },
        events: [],
      })
      const signed = domain.keys.signed.length
      await expect(issueX509Svid(domain.ports, order)).rejects.toMatchObject({ code })
      expect(domain.keys.signed).toHaveLength(signed)
      expect(domain.store.all('Certificate').filter(({ kind }) => kind === 'svid')).toEqual([])
      expect(domain.store.leaves.at(-1)?.draft.decision).toBe(`deny:${code}`)
    },
  )

  it.each(['trust-domain:example.org', 'instance:i-0000000000000000', 'lineage:lin_00000000000000000000000001'])(
    'promise 3 issues nothing that is cut off by %s',
    async (key) => {
      const order = await svidOrder(domain)
      const now = domain.clock.now()
      const [kind, value] = key.split(':') as ['instance', string]
      domain.store.seed('Cutoff', {
        key,
        kind,
        value,
        before: after(now, 1),
        reason: 'test',
        createdBy: 'test',
        createdAt: now,
      })
      await expect(issueX509Svid(domain.ports, order)).rejects.toMatchObject({ code: 'ISSUANCE_CUT_OFF' })
      domain.clock.advance(1)
      await expect(issueX509Svid(domain.ports, order)).resolves.toBeDefined()
    },
  )

  it('answers a repeated request with the same certificate', async () => {
    const order = await svidOrder(domain)
    expect(await findIssued(domain.ports, order.idempotencyKey)).toBeNull()
    const svid = await issueX509Svid(domain.ports, order)
    expect(await findIssued(domain.ports, order.idempotencyKey)).toEqual(svid)
  })

  it('lets one of two that make the same request at once win', async () => {
    const order = await svidOrder(domain)
    const both = await Promise.allSettled([issueX509Svid(domain.ports, order), issueX509Svid(domain.ports, order)])
    expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
    expect(both.find(({ status }) => status === 'rejected')).toMatchObject({ reason: { code: 'ISSUANCE_REPEATED' } })
  })

  it('promise 14 gives a certificate to who asks again after a crash, once the intent is given up', async () => {
    const order = await svidOrder(domain)
    domain.keys.fail = { when: 'after', signature: domain.keys.signatures + 1 }
    await expect(issueX509Svid(domain.ports, order)).rejects.toMatchObject({ code: 'KEY_UNUSABLE' })
    expect(await findIssued(domain.ports, order.idempotencyKey)).toBe('intent')
    expect(await reconcileIntents(domain.ports, { startedAs: null })).toBe(0)
    domain.clock.advance(MINUTE + 1)
    expect(await reconcileIntents(domain.ports, { startedAs: null })).toBe(1)
    expect(await findIssued(domain.ports, order.idempotencyKey)).toBeNull()
    const svid = await issueX509Svid(domain.ports, order)
    expect(parseCertificate(svid.certificate).serial).toHaveLength(18)
    expect(
      domain.store
        .all('Certificate')
        .filter(({ kind }) => kind === 'svid')
        .map(({ state }) => state)
        .sort(),
    ).toEqual(['abandoned', 'issued'])
  })

  it('gives up at start what this replica left behind, and nothing of another one', async () => {
    const order = await svidOrder(domain)
    domain.keys.fail = { when: 'before', signature: domain.keys.signatures + 1 }
    await expect(issueX509Svid(domain.ports, order)).rejects.toMatchObject({ code: 'KEY_UNUSABLE' })
    expect(await reconcileIntents(domain.ports, { startedAs: 2 })).toBe(0)
    expect(await reconcileIntents(domain.ports, { startedAs: 1 })).toBe(1)
    expect(domain.store.leaves.at(-1)?.draft.type).toBe('certificate.abandoned')
  })

  it('promise 12 issues nothing while the clock is behind', async () => {
    const order = await svidOrder(domain)
    domain.clock.set(instant(domain.clock.now() - HOUR))
    await expect(issueX509Svid(domain.ports, order)).rejects.toMatchObject({ code: 'CLOCK_BEHIND_MARK' })
  })
})
