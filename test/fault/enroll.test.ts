import { describe, expect, it } from 'vitest'
import { authenticateForRenewal } from '#flows/authenticate.ts'
import { enroll } from '#flows/enroll.ts'
import { reconcileIntents } from '#flows/reconcile-intents.ts'
import { renew } from '#flows/renew.ts'
import type { SvidAnswer } from '#flows/svid-answer.ts'
import { after, MINUTE, SECOND } from '#kernel/instant.ts'
import { codeOfAsync } from '../support/code-of.ts'
import { csrOf, enrollNew, joinWith, newAgent, newToken, newWorld, type World } from '../support/enrollment.ts'
import { newKeyPair } from '../support/x509.ts'

type When = 'before' | 'after'

/** Everything that a story asks of the store and of the key, one failing at a time. */
const FAULTS: readonly (readonly [string, When, (world: World, when: When) => void])[] = (
  ['before', 'after'] as const
).flatMap((when) => [
  ['the commit of the intent', when, failCommit(1)] as const,
  ['the commit of what was issued', when, failCommit(2)] as const,
  ['the signature', when, failSignature] as const,
])

function failCommit(nth: number) {
  return ({ store }: World, when: When) => {
    store.fail = { when, commit: store.commits + nth }
  }
}

function failSignature({ keys }: World, when: When): void {
  keys.fail = { when, signature: keys.signatures + 1 }
}

/** The client asks until it gets an answer, as clients do; the server gives up what was left behind meanwhile. */
async function insist(world: World, ask: () => Promise<SvidAnswer>): Promise<SvidAnswer> {
  const code = await codeOfAsync(ask)
  if (code !== 'ACCEPTED') {
    expect(code).toBe('ISSUANCE_IN_PROGRESS')
    world.clock.advance(MINUTE + SECOND)
    await reconcileIntents(world.ports, { startedAs: null })
  }
  return ask()
}

const svids = (world: World) => world.store.all('Certificate').filter(({ kind }) => kind === 'svid')

describe.each(FAULTS)('promise 14: when %s fails %s it took effect', (_, when, fail) => {
  it('an enrollment can be asked for again, and makes one instance with one good certificate', async () => {
    const world = await newWorld()
    await newAgent(world)
    const token = await newToken(world)
    const csr = await csrOf(newKeyPair())
    const ask = () => enroll(world.enrolling, world.anonymous, joinWith(token, csr))
    fail(world, when)
    expect(await codeOfAsync(ask)).not.toBe('ACCEPTED')
    const answer = await insist(world, ask)
    expect(world.store.all('Instance').map(({ id }) => id)).toEqual([answer.instance])
    expect(svids(world).filter(({ state }) => state === 'issued')).toHaveLength(1)
    expect(svids(world).filter(({ state }) => state === 'intent')).toEqual([])
  })

  it('so can a renewal', async () => {
    const world = await newWorld()
    await newAgent(world)
    const { peer, answer: first } = await enrollNew(world)
    const csr = await csrOf(newKeyPair())
    const ask = async () => renew(world.ports, await authenticateForRenewal(world.ports, peer), { csr })
    fail(world, when)
    expect(await codeOfAsync(ask)).not.toBe('ACCEPTED')
    const answer = await insist(world, ask)
    expect(svids(world).filter(({ state }) => state === 'issued')).toHaveLength(2)
    expect(answer.svid.serial).not.toBe(first.svid.serial)
  })

  it('and a renewal within the grace, once more and not twice', async () => {
    const world = await newWorld()
    await newAgent(world)
    const { peer, answer: first } = await enrollNew(world)
    world.clock.set(after(first.svid.notAfter, SECOND))
    const csr = await csrOf(newKeyPair())
    const ask = async (with_: string) =>
      renew(world.ports, await authenticateForRenewal(world.ports, peer), { csr: with_ })
    fail(world, when)
    expect(await codeOfAsync(() => ask(csr))).not.toBe('ACCEPTED')
    await insist(world, () => ask(csr))
    const other = await csrOf(newKeyPair())
    expect(await codeOfAsync(() => ask(other))).toBe('CLIENT_CERTIFICATE_EXPIRED')
    expect(svids(world).filter(({ state }) => state === 'issued')).toHaveLength(2)
  })
})
