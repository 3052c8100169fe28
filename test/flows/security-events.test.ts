import { beforeEach, describe, expect, it } from 'vitest'
import { MOST_WAITING } from '#flows/ssf/sets.ts'
import { forgetSets } from '#flows/ssf/poll.ts'
import type { EventDelivery, SsfPorts } from '#flows/ssf/ports.ts'
import { Pusher } from '#flows/ssf/pusher.ts'
import { openAuthorization } from '#flows/ssf/sealing.ts'
import { createStream, type StreamRequest } from '#flows/ssf/streams.ts'
import { Transmitter } from '#flows/ssf/transmitter.ts'
import { openSealed, readSecurityEvent, SECURITY_EVENTS, sealSecret, type SecurityEvent } from '#jwt/index.ts'
import { suspendAgent } from '#flows/admin/agent-state.ts'
import { completeTask } from '#flows/complete-task.ts'
import { resumeTask } from '#flows/resume-task.ts'
import { suspendTask } from '#flows/suspend-task.ts'
import { revokeToken } from '#flows/revoke-token.ts'
import { utf8 } from '#kernel/bytes.ts'
import { WritError } from '#kernel/errors.ts'
import type { SsfStreamRecord } from '#revocation/index.ts'
import { codeOf, codeOfAsync } from '../support/code-of.ts'
import { AUTHORITY, BILLING, ISSUER, MAIL, TaskHouse, type Copy } from '../support/task-house.ts'

const CREDENTIAL = SECURITY_EVENTS.credentialChange
const HEADER = 'Bearer a-secret-of-the-receiver'

/** A receiver's endpoint that answers as it is told, and keeps what it was sent. */
class FakeEndpoint {
  answer: number | null = 202
  readonly got: EventDelivery[] = []
  readonly check = (): Promise<void> => Promise.resolve()
  readonly send = (delivery: EventDelivery): Promise<number> => {
    this.got.push(delivery)
    return this.answer === null
      ? Promise.reject(new WritError('OUTBOUND_UNREACHABLE', 'Nobody is there.'))
      : Promise.resolve(this.answer)
  }
}

describe('the transmitter', () => {
  let house: TaskHouse
  let bot: Copy
  let receiver: Copy
  let endpoint: FakeEndpoint
  let ports: SsfPorts
  let transmitter: Transmitter

  beforeEach(async () => {
    house = await TaskHouse.build()
    bot = house.addAgent('invoice-bot')
    receiver = house.addAgent('billing', { permissions: [] })
    endpoint = new FakeEndpoint()
    ports = { ...house.ports, firsts: house.store, push: endpoint }
    transmitter = new Transmitter(ports)
  })

  const stream = (request: StreamRequest = {}): Promise<SsfStreamRecord> =>
    createStream(ports, house.caller(receiver), request)
  const pushed = { delivery: { method: 'urn:ietf:rfc:8935', endpoint: 'https://r.example/e', authorization: HEADER } }

  async function revokeOne(audience = BILLING): Promise<string> {
    const { id } = await house.open(bot)
    const { accessToken } = await house.start(bot, id, { resources: [audience] })
    await revokeToken(ports, house.caller(bot), { token: accessToken })
    return house.claims(accessToken).id
  }

  async function follow(by = transmitter): Promise<void> {
    await house.store.sequence('Outbox')
    await by.run()
  }

  function read(token: string): SecurityEvent {
    const keys = house.ports.authorities.current().keySet('events')
    return readSecurityEvent(token, { keys, issuer: ISSUER, audience: BILLING })
  }

  const sets = (): readonly SecurityEvent[] => house.store.all('SsfSet').map(({ token }) => read(token))
  const state = (): string | undefined => house.store.all('SsfStream')[0]?.state

  it('SS-1 SS-6 tells a stream of the tokens for its own audience only', async () => {
    await stream()
    const ours = await revokeOne()
    await revokeOne(MAIL)
    await follow()
    expect(sets().map(({ subject }) => subject)).toEqual([{ format: 'jwt_id', iss: ISSUER, jti: ours }])
  })

  it('SS-5 SS-6 tells of an agent that was suspended, and never names a user', async () => {
    await stream()
    const { id } = await house.open(bot)
    const { accessToken } = await house.start(bot, id)
    await suspendAgent(ports, house.principal('local:1000', 'operator'), { name: 'invoice-bot' })
    await follow()
    expect(sets().map(({ type, subject }) => [type, subject])).toEqual(
      expect.arrayContaining([
        [
          SECURITY_EVENTS.sessionRevoked,
          { format: 'iss_sub', iss: ISSUER, sub: 'spiffe://example.org/agent/invoice-bot' },
        ],
        [SECURITY_EVENTS.sessionRevoked, { format: 'jwt_id', iss: ISSUER, jti: house.claims(accessToken).id }],
      ]),
    )
    expect(sets()).toHaveLength(2)
  })

  it('SS-6 tells who asks for it what becomes of a task, and counts its changes without a gap', async () => {
    await stream({ events: [SECURITY_EVENTS.taskState] })
    const [task, elsewhere] = [await house.open(bot), await house.open(bot, { authority: [AUTHORITY[1]] })]
    await house.start(bot, task.id)
    const operator = house.principal('local:1000', 'operator')
    await suspendTask(ports, operator, task.id)
    await suspendTask(ports, operator, elsewhere.id)
    await follow()
    await resumeTask(ports, operator, task.id)
    await completeTask(ports, house.caller(bot), task.id)
    // Once more changes nothing, and counts for nothing.
    await completeTask(ports, house.caller(bot), task.id)
    await follow(new Transmitter(ports))
    expect(sets().map(({ subject }) => subject)).toEqual(Array(4).fill({ format: 'opaque', id: task.id }))
    expect(sets().map(({ event }) => [event['count'], event['state']])).toEqual([
      [1, 'active'],
      [2, 'suspended'],
      [3, 'active'],
      [4, 'completed'],
    ])
    expect(sets()[0]?.event['deadline']).toBe(Math.floor(task.deadline / 1000))
    expect(JSON.stringify(sets())).not.toContain(bot.spiffeId)
  })

  it('SS-6 tells nobody of tasks who has not asked for it, and of both to whom wants both', async () => {
    await stream()
    await revokeOne()
    const { id } = await house.open(bot)
    await completeTask(ports, house.caller(bot), id)
    await follow()
    expect(sets().map(({ type }) => type)).toEqual([SECURITY_EVENTS.sessionRevoked])
    await stream({ events: [SECURITY_EVENTS.taskState, SECURITY_EVENTS.sessionRevoked] })
    await revokeOne()
    await follow()
    const both = house.store.all('SsfStream').find(({ events }) => events.length === 2 && !events.includes(CREDENTIAL))
    const told = house.store.all('SsfSet').filter((set) => set.stream === both?.id)
    expect(told.map(({ token }) => read(token).type)).toEqual([
      SECURITY_EVENTS.taskState,
      SECURITY_EVENTS.sessionRevoked,
    ])
  })

  it('SS-3 tells each thing once, also when another replica takes over, or the store fails in between', async () => {
    await stream()
    await revokeOne()
    await follow()
    await follow(new Transmitter(ports))
    expect(sets()).toHaveLength(1)
    await revokeOne()
    await house.store.sequence('Outbox')
    for (const when of ['before', 'after'] as const) {
      house.store.fail = { when, commit: house.store.commits + 2 }
      await new Transmitter(ports).run().catch(() => undefined)
    }
    await follow(new Transmitter(ports))
    expect(new Set(sets().map(({ subject }) => subject['jti'])).size).toBe(2)
    expect(sets()).toHaveLength(2)
  })

  it('two replicas that follow at once tell it once', async () => {
    await stream()
    await revokeOne()
    await house.store.sequence('Outbox')
    await Promise.all([new Transmitter(ports).run(), new Transmitter(ports).run()])
    expect(sets()).toHaveLength(1)
  })

  it('signs nothing without a leaf, and nothing for nobody', async () => {
    await revokeOne()
    await follow()
    expect(house.leaves().filter((leaf) => leaf.startsWith('security-event'))).toEqual([])
    await stream()
    await revokeOne()
    await follow()
    expect(house.leaves().filter((leaf) => leaf.startsWith('security-event'))).toEqual(['security-event.signed permit'])
  })

  it('SS-3 pauses a stream of which too much waits, and says so first', async () => {
    const { id } = await stream()
    const [row] = (await revokeOne(), await follow(), house.store.all('SsfSet'))
    if (row === undefined) throw new TypeError('nothing was told')
    for (let count = 1; count < MOST_WAITING; count++) {
      house.store.seed('SsfSet', { ...row, id: `evt_seed${String(count)}` })
    }
    await revokeOne()
    await follow()
    expect(state()).toBe('paused')
    const updates = sets().filter(({ type }) => type === SECURITY_EVENTS.streamUpdated)
    expect(updates.map(({ subject, event }) => [subject, event['status']])).toEqual([
      [{ format: 'opaque', id }, 'paused'],
    ])
  })

  it('SS-4 pushes oldest first with what the receiver wants to be shown, and forgets what was taken', async () => {
    const { id } = await stream(pushed)
    const jtis = [await revokeOne(), await revokeOne()]
    await follow()
    await new Pusher(ports).run()
    expect(endpoint.got.map(({ token }) => read(token).subject['jti'])).toEqual(jtis)
    expect(endpoint.got[0]).toMatchObject({ url: 'https://r.example/e', authorization: HEADER })
    expect(house.store.all('SsfSet')).toEqual([])
    expect(await codeOfAsync(() => openAuthorization(ports, `${id}x`, authorizationOf()))).toBe('SEALED_SECRET_INVALID')
  })

  const authorizationOf = (): Uint8Array => house.store.all('SsfStream')[0]?.authorization ?? new Uint8Array()

  it('promise 11: what the receiver wants to be shown is sealed in the store, and in no leaf', async () => {
    await stream(pushed)
    expect(Buffer.from(authorizationOf()).includes('secret')).toBe(false)
    expect(house.store.leaves.some(({ bytes }) => Buffer.from(bytes).includes('secret'))).toBe(false)
    const key = new Uint8Array(32)
    const sealed = sealSecret(key, { plain: utf8('x'), context: utf8('a'), nonce: new Uint8Array(12) })
    expect(openSealed(key, { sealed, context: utf8('a') })).toEqual(utf8('x'))
    expect(codeOf(() => openSealed(key, { sealed, context: utf8('b') }))).toBe('SEALED_SECRET_INVALID')
    expect(codeOf(() => openSealed(key, { sealed: sealed.subarray(0, 10), context: utf8('a') }))).toBe(
      'SEALED_SECRET_INVALID',
    )
  })

  it('SS-4 tries again after one second, two, four, and pauses the stream after an hour', async () => {
    await stream(pushed)
    await revokeOne()
    await follow()
    endpoint.answer = null
    const pusher = new Pusher(ports)
    const tries: number[] = []
    for (let second = 0; second < 16; second++) {
      const before = endpoint.got.length
      await pusher.run()
      if (endpoint.got.length > before) tries.push(second)
      house.pass(1)
    }
    expect(tries).toEqual([0, 1, 3, 7, 15])
    house.pass(3600)
    await pusher.run()
    expect(state()).toBe('paused')
    endpoint.answer = 202
    endpoint.got.length = 0
    house.pass(300)
    await pusher.run()
    expect(endpoint.got.map(({ token }) => read(token).type)).toEqual([SECURITY_EVENTS.streamUpdated])
  })

  it('SS-4 does not offer again what the receiver answers 400 to', async () => {
    await stream(pushed)
    await revokeOne()
    await follow()
    endpoint.answer = 400
    await new Pusher(ports).run()
    expect(house.store.all('SsfSet')).toEqual([])
    expect(house.leaves()).toContain('security-event.refused permit')
  })

  it('SS-4 an acknowledgement reaches the events of its own stream only', async () => {
    const [first, second] = [await stream(), await stream()]
    await revokeOne()
    await follow()
    const all = house.store.all('SsfSet')
    const ids = all.map(({ id }) => id)
    await forgetSets(ports, first, { actor: 'test', ids, type: 'security-event.acknowledged' })
    expect(house.store.all('SsfSet').map((set) => set.stream)).toEqual([second.id])
  })
})
