import { beforeEach, describe, expect, it } from 'vitest'
import { suspendAgent } from '#flows/admin/agent-state.ts'
import { deleteJoinToken } from '#flows/admin/join-tokens.ts'
import { enroll } from '#flows/enroll.ts'
import { reconcileIntents } from '#flows/reconcile-intents.ts'
import { toBase64 } from '#kernel/bytes.ts'
import { HOUR, MINUTE, SECOND } from '#kernel/instant.ts'
import { SpiffeId } from '#spiffe/index.ts'
import { createCsr, parseCertificate, svidIdOf, toPem } from '#x509/index.ts'
import { codeOfAsync } from '../support/code-of.ts'
import { csrOf, enrollNew, joinWith, newAgent, newToken, newWorld, trail, type World } from '../support/enrollment.ts'
import { newKeyPair } from '../support/x509.ts'

let world: World
beforeEach(async () => {
  world = await newWorld()
  await newAgent(world)
})

const attempt = (token: string, csr: string, agent?: string) =>
  codeOfAsync(() => enroll(world.enrolling, world.anonymous, joinWith(token, csr, agent)))

describe('enrolling with a join token', () => {
  it('makes a new instance with the first certificate of its lineage, and writes it down', async () => {
    const token = await newToken(world)
    const since = world.store.leaves.length
    const key = newKeyPair()
    const answer = await enroll(world.enrolling, world.anonymous, joinWith(token, await csrOf(key)))
    const certificate = parseCertificate(answer.svid.certificate)
    expect(svidIdOf(certificate).toString()).toBe(`spiffe://example.org/agent/invoice-bot/${answer.instance}`)
    expect(certificate.publicKey.spki).toEqual(key.publicKey.spki)
    expect(answer.svid.notAfter).toBe(world.clock.now() + HOUR)
    expect(answer.renewAt).toBeGreaterThan(world.clock.now())
    expect(answer.renewAt).toBeLessThan(answer.svid.notAfter)
    expect(trail(world, since)).toEqual(['certificate.intent permit', 'certificate.issued permit'])
    expect(await world.store.find('Instance', { id: answer.instance })).toMatchObject({
      spiffeId: answer.svid.spiffeId,
      attestor: 'join_token',
      keyClass: 'software',
      state: 'active',
    })
    expect(world.store.all('JoinToken')[0]).toMatchObject({
      redeemedAt: world.clock.now(),
      instance: answer.instance,
    })
  })

  it('takes the request as PEM as well', async () => {
    const pem = toPem('CERTIFICATE REQUEST', await createCsr(newKeyPair().signer))
    expect(await attempt(await newToken(world), pem)).toBe('ACCEPTED')
  })

  it('gives two instances of one agent two names and two lineages', async () => {
    const first = await enrollNew(world)
    const second = await enrollNew(world)
    const [one, two] = world.store.all('Instance')
    expect(first.answer.svid.spiffeId).not.toBe(second.answer.svid.spiffeId)
    expect(one?.lineage).not.toBe(two?.lineage)
  })

  it('gives all instances of an agent one name where it is registered so', async () => {
    await newAgent(world, { name: 'pool', identity: 'agent' })
    const first = await enrollNew(world, 'pool')
    const second = await enrollNew(world, 'pool')
    expect(first.answer.svid.spiffeId).toBe('spiffe://example.org/agent/pool')
    expect(second.answer.svid.spiffeId).toBe('spiffe://example.org/agent/pool')
    expect(first.answer.instance).not.toBe(second.answer.instance)
    const said = [first, second].map(
      ({ answer }) => parseCertificate(answer.svid.certificate).extension('writAttestation')?.instance,
    )
    expect(said).toEqual([first.answer.instance, second.answer.instance])
    const named = (await enrollNew(world)).answer.svid.certificate
    expect(parseCertificate(named).extension('writAttestation')).not.toHaveProperty('instance')
  })

  it('never stores or logs the token', async () => {
    const { token } = await enrollNew(world)
    const secret = token.slice(0, token.indexOf('.'))
    const everything = JSON.stringify([
      world.store.all('JoinToken'),
      world.store.all('Certificate').map(({ der: _, ...row }) => row),
      world.store.leaves.map(({ bytes }) => Buffer.from(bytes).toString()),
      world.store.all('LogPrivate').map(({ bytes }) => Buffer.from(bytes).toString()),
      world.store.events,
    ])
    expect(everything).not.toContain(secret)
    expect(everything).not.toContain(secret.slice('wjt_'.length))
  })
})

describe('a join token is refused', () => {
  it('when it is unknown', async () => {
    expect(await attempt(`wjt_${'A'.repeat(32)}`, await csrOf(newKeyPair()))).toBe('JOIN_TOKEN_UNKNOWN')
  })

  it('when it has expired', async () => {
    const token = await newToken(world)
    world.clock.advance(10 * MINUTE)
    expect(await attempt(token, await csrOf(newKeyPair()))).toBe('JOIN_TOKEN_EXPIRED')
  })

  it('when it has been used', async () => {
    const { token } = await enrollNew(world)
    expect(await attempt(token, await csrOf(newKeyPair()))).toBe('JOIN_TOKEN_USED')
  })

  it('when it was made for another agent than the request names', async () => {
    await newAgent(world, { name: 'other' })
    const token = await newToken(world)
    const csr = await csrOf(newKeyPair())
    const since = world.store.leaves.length
    expect(await attempt(token, csr, 'other')).toBe('JOIN_TOKEN_OTHER_AGENT')
    expect(trail(world, since)).toEqual(['instance.enrolled deny:JOIN_TOKEN_OTHER_AGENT'])
    expect(await attempt(token, csr, 'invoice-bot')).toBe('ACCEPTED')
  })

  it('when an operator has deleted it', async () => {
    const token = await newToken(world)
    const [row] = world.store.all('JoinToken')
    await deleteJoinToken(world.ports, world.admin, row?.id ?? '')
    expect(await attempt(token, await csrOf(newKeyPair()))).toBe('JOIN_TOKEN_UNKNOWN')
  })

  it('when its agent has been suspended since', async () => {
    const token = await newToken(world)
    await suspendAgent(world.ports, world.admin, { name: 'invoice-bot' })
    const since = world.store.leaves.length
    expect(await attempt(token, await csrOf(newKeyPair()))).toBe('AGENT_SUSPENDED')
    expect(trail(world, since)).toEqual(['instance.enrolled deny:AGENT_SUSPENDED'])
    expect(Buffer.from(world.store.all('LogPrivate').at(-1)?.bytes ?? []).toString()).toContain(
      'the agent is suspended',
    )
  })

  it('and is not used up by a request that is refused', async () => {
    const token = await newToken(world)
    const csr = toBase64(await createCsr(newKeyPair().signer, SpiffeId.parse('spiffe://example.org/agent/x/i-1')))
    expect(await attempt(token, csr)).toBe('REQUEST_ID_DIFFERS')
    expect(world.store.all('Instance')).toEqual([])
    expect(await attempt(token, await csrOf(newKeyPair()))).toBe('ACCEPTED')
  })
})

describe('promise 3: a join token is good for one enrollment', () => {
  it('when 100 redeem it at once, exactly one wins', async () => {
    const token = await newToken(world)
    const csrs = await Promise.all(Array.from({ length: 100 }, () => csrOf(newKeyPair())))
    const since = world.store.leaves.length
    const results = await Promise.all(csrs.map((csr) => attempt(token, csr)))
    expect(results.filter((code) => code === 'ACCEPTED')).toHaveLength(1)
    expect(results.filter((code) => code === 'JOIN_TOKEN_USED')).toHaveLength(99)
    expect(world.store.all('Instance')).toHaveLength(1)
    expect(world.store.all('Certificate').filter(({ kind }) => kind === 'svid')).toHaveLength(1)
    const decisions = trail(world, since)
    expect(decisions.filter((leaf) => leaf === 'certificate.intent permit')).toHaveLength(1)
    expect(decisions.filter((leaf) => leaf === 'certificate.intent deny:JOIN_TOKEN_USED')).toHaveLength(99)
  })
})

describe('promise 14: a lost answer can be asked for again', () => {
  it('with the same token, key and request, for ten minutes', async () => {
    const { token, csr, answer } = await enrollNew(world)
    world.clock.advance(10 * MINUTE - 1)
    const again = await enroll(world.enrolling, world.anonymous, joinWith(token, csr))
    expect(again).toEqual(answer)
    world.clock.advance(1)
    expect(await attempt(token, csr)).toBe('JOIN_TOKEN_USED')
    expect(world.store.all('Certificate').filter(({ kind }) => kind === 'svid')).toHaveLength(1)
  })

  it('and is refused once the agent has been suspended', async () => {
    const { token, csr } = await enrollNew(world)
    await suspendAgent(world.ports, world.admin, { name: 'invoice-bot' })
    expect(await attempt(token, csr)).toBe('AGENT_SUSPENDED')
  })

  it('also when the server went down between intent and signature: the same instance is issued to anew', async () => {
    const token = await newToken(world)
    const csr = await csrOf(newKeyPair())
    world.keys.fail = { when: 'before', signature: world.keys.signatures + 1 }
    expect(await attempt(token, csr)).toBe('KEY_UNUSABLE')
    expect(await attempt(token, csr)).toBe('ISSUANCE_IN_PROGRESS')
    world.clock.advance(MINUTE + SECOND)
    await reconcileIntents(world.ports, { startedAs: null })
    const answer = await enroll(world.enrolling, world.anonymous, joinWith(token, csr))
    expect(world.store.all('Instance').map(({ id }) => id)).toEqual([answer.instance])
    expect(await enroll(world.enrolling, world.anonymous, joinWith(token, csr))).toEqual(answer)
  })

  it('and is never answered to another request', async () => {
    const { token } = await enrollNew(world)
    expect(await attempt(token, await csrOf(newKeyPair()))).toBe('JOIN_TOKEN_USED')
  })
})

describe('evidence', () => {
  it('of an attestor that is not there is refused', async () => {
    const asked = { attestor: 'crystal_ball', evidence: {}, csr: await csrOf(newKeyPair()) }
    expect(await codeOfAsync(() => enroll(world.enrolling, world.anonymous, asked))).toBe('ATTESTOR_UNKNOWN')
  })

  it('with other members than the token is refused', async () => {
    const evidence = { token: await newToken(world), extra: true }
    const asked = { attestor: 'join_token', evidence, csr: await csrOf(newKeyPair()) }
    expect(await codeOfAsync(() => enroll(world.enrolling, world.anonymous, asked))).toBe('EVIDENCE_INVALID')
  })
})
