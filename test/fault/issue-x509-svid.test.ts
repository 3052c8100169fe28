import { describe, expect, it } from 'vitest'
import { findIssued, issueX509Svid } from '#flows/issue-x509-svid.ts'
import { initializeAuthorities } from '#flows/initialize-authorities.ts'
import type { Journal } from '#flows/ports.ts'
import { reconcileIntents } from '#flows/reconcile-intents.ts'
import { fromHex, toHex } from '#kernel/bytes.ts'
import { sha256 } from '#kernel/digest.ts'
import { MINUTE } from '#kernel/instant.ts'
import { emptyTrustDomain, newTrustDomain, svidOrder, type TestTrustDomain } from '../support/trust-domain.ts'
import type { CommitFailure } from '../fakes/memory-store.ts'
import { codeOfAsync } from '../support/code-of.ts'

/** Promise 1 as one sentence over the whole store: what any key signed has a row, and the row came first. */
function everySignatureIsRecorded({ store, keys }: Pick<TestTrustDomain, 'store' | 'keys'>): void {
  const rows = new Set(store.all('Certificate').map(({ tbsHash }) => tbsHash))
  const leaves = new Set(store.leaves.map(({ draft }) => draft.commitments['tbs']))
  for (const { message } of keys.signed) {
    const digest = toHex(sha256(fromHex(message)))
    expect(rows.has(digest)).toBe(true)
    expect(leaves.has(`sha-256:${digest}`)).toBe(true)
  }
  for (const row of store.all('Certificate')) {
    expect(row.state === 'issued').toBe(row.der !== null)
  }
}

describe('promise 1 when the store fails', () => {
  it.each([
    [1, 'before', 'nothing', null],
    [1, 'after', 'an intent', 'intent'],
    [2, 'before', 'an intent', 'intent'],
    [2, 'after', 'the certificate, for whoever asks again', 'issued'],
  ] as const)('commit %i %s it took effect leaves %s', async (nth, when, _what, state) => {
    const domain = await newTrustDomain()
    const order = await svidOrder(domain)
    domain.store.fail = { commit: domain.store.commits + nth, when }
    const signed = domain.keys.signed.length
    expect(await codeOfAsync(() => issueX509Svid(domain.ports, order))).toMatch(/^STORE_/)
    everySignatureIsRecorded(domain)
    if (nth === 1) expect(domain.keys.signed).toHaveLength(signed)
    expect(domain.store.all('Certificate').find(({ kind }) => kind === 'svid')?.state ?? null).toBe(state)
    // Whoever asks again gets a certificate: the same one, or a new one once the intent is given up.
    domain.clock.advance(MINUTE + 1)
    await reconcileIntents(domain.ports, { startedAs: null })
    const found = await findIssued(domain.ports, order.idempotencyKey)
    expect(found === null).toBe(state !== 'issued')
    if (found === null) await issueX509Svid(domain.ports, order)
    everySignatureIsRecorded(domain)
  })
})

describe('promise 1 when the signer fails', () => {
  it.each(['before', 'after'] as const)('%s signing leaves a recorded intent and no certificate', async (when) => {
    const domain = await newTrustDomain()
    const order = await svidOrder(domain)
    domain.keys.fail = { signature: domain.keys.signatures + 1, when }
    await expect(issueX509Svid(domain.ports, order)).rejects.toMatchObject({ code: 'KEY_UNUSABLE' })
    everySignatureIsRecorded(domain)
    expect(domain.store.all('Certificate').find(({ kind }) => kind === 'svid')).toMatchObject({
      state: 'intent',
      der: null,
    })
  })

  it('discards the signature when the certificate is revoked while it is being signed', async () => {
    const domain = await newTrustDomain()
    const order = await svidOrder(domain)
    const revoke = () => {
      throw new TypeError('no such row')
    }
    const { journal } = domain.ports
    const commit = journal.commit.bind(journal)
    let count = 0
    const interrupting = {
      commit: async (wanted: Parameters<typeof commit>[0]) => {
        count++
        if (count === 2) {
          const serial = domain.store.all('Certificate').find(({ kind }) => kind === 'svid')?.serial ?? ''
          const leaf = {
            type: 'certificate.revoked',
            actor: 'system',
            object: `certificate:${serial}`,
            decision: 'permit',
          } as const
          await commit({
            lock: 'revoke',
            guards: [],
            changes: [
              { op: 'update', table: 'Certificate', where: { serial }, set: { state: 'revoked' }, refuse: revoke },
            ],
            leaf: { ...leaf, inputDigest: null, policy: null, commitments: {} },
            events: [],
          })
        }
        return commit(wanted)
      },
    }
    const ports = { ...domain.ports, journal: interrupting }
    await expect(issueX509Svid(ports, order)).rejects.toMatchObject({ code: 'ISSUANCE_INTERRUPTED' })
    expect(domain.store.all('Certificate').find(({ kind }) => kind === 'svid')).toMatchObject({
      state: 'revoked',
      der: null,
    })
    expect(await findIssued(domain.ports, order.idempotencyKey)).toBeNull()
  })
})

/** A journal whose process dies at one commit: there is none after it. */
function dyingAt(store: TestTrustDomain['store'], { commit: nth, when }: CommitFailure): Journal {
  let count = 0
  return {
    commit: (commit) => {
      count++
      if (count >= nth) store.fail = { commit: store.commits + 1, when: count === nth ? when : 'before' }
      return store.commit(commit)
    },
  }
}

describe('promise 8 when the first authorities are being made', () => {
  const options = [{ mode: 'self-rooted' }, { mode: 'rooted', root: 'generate' }] as const

  it.each(options)('goes on after a crash at any commit ($mode)', async (wanted) => {
    const order = { actor: 'local:0', options: wanted }
    const whole = await emptyTrustDomain()
    await initializeAuthorities(whole.ports, order)
    const commits = whole.store.commits
    expect(commits).toBeGreaterThan(10)
    for (let nth = 1; nth <= commits; nth++) {
      for (const when of ['before', 'after'] as const) {
        const domain = await emptyTrustDomain()
        const journal = dyingAt(domain.store, { commit: nth, when })
        // Only whoever crashed behind the very last commit had everything.
        const code = await codeOfAsync(() => initializeAuthorities({ ...domain.ports, journal }, order))
        expect(code).toMatch(nth === commits && when === 'after' ? /^ACCEPTED$/ : /^STORE_/)
        everySignatureIsRecorded(domain)
        domain.clock.advance(6 * MINUTE)
        const authorities = await initializeAuthorities(domain.ports, order)
        everySignatureIsRecorded(domain)
        const set = authorities.current()
        for (const kind of ['x509', 'jwt-svid', 'access-token'] as const) expect(set.active(kind).kind).toBe(kind)
        expect(set.anchors().length).toBeGreaterThan(0)
        expect(set.mode).toBe(wanted.mode)
      }
    }
  })
})
