import { join } from 'node:path'
import Sqlite from 'better-sqlite3'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { toHex } from '#kernel/bytes.ts'
import { parseCertificate } from '#x509/index.ts'
import { Caller, enrollAt, LiveReceiver, type Home } from '../support/live-receiver.ts'
import { BILLING, TestHouse } from '../support/server.ts'

const ISSUER = 'https://id.example.org'
const soon = { timeout: 15_000, interval: 5 }

let house: TestHouse
let receiver: LiveReceiver
const callers: Caller[] = []

const home = (): Home => ({
  origin: `https://localhost:${String(house.port)}`,
  issuer: ISSUER,
  joinToken: (agent) => house.joinToken(agent),
})

async function newReceiver(agent = 'billing'): Promise<LiveReceiver> {
  return new LiveReceiver(await enrollAt(home(), agent), { audience: BILLING, issuer: ISSUER })
}

/** A bot whom the receiver lets in. */
async function newCaller(): Promise<Caller> {
  const caller = await Caller.enroll(home(), 'bot', BILLING)
  callers.push(caller)
  expect(receiver.ofCertificate(caller)).toBe('ACCEPTED')
  expect(await receiver.ofToken(caller)).toBe('ACCEPTED')
  return caller
}

async function done(path: string, json: object): Promise<void> {
  const { status, body } = await house.admin(path, { json })
  expect([status, body]).toEqual([200, expect.anything()])
}

const revoke = (handle: string, value: string, reason = 'unspecified') =>
  done('/v1/revocations', { handle, value, reason })

async function sees(caller: Caller, certificate: string, token: string): Promise<void> {
  await expect.poll(() => receiver.ofCertificate(caller), soon).toBe(certificate)
  await expect.poll(() => receiver.ofToken(caller), soon).toBe(token)
}

const leafOf = ({ chain: [leaf] }: Caller) => parseCertificate(leaf ?? new Uint8Array())
const claimsOf = ({ token }: Caller): Readonly<Record<string, string>> =>
  JSON.parse(Buffer.from(token.token.reveal().split('.')[1] ?? '', 'base64url').toString()) as Record<string, string>

beforeAll(async () => {
  house = await TestHouse.start()
  await house.register('billing')
  const permissions = [{ audience: BILLING, actions: ['read'] }]
  await house.admin('/v1/agents', { json: { name: 'bot', owner: 'finance', permissions } })
  receiver = await (await newReceiver()).start()
}, 60_000)
afterAll(async () => {
  await Promise.all(callers.map(({ live }) => live.close()))
  await receiver.close()
  await house.stop()
})

const REVOKED = 'RECEIVER_CERTIFICATE_REVOKED'
const INACTIVE = 'RECEIVER_TOKEN_INACTIVE'

/** One house and one receiver, whose story goes on from test to test: what was restarted or tainted stays so. */
describe('the live view', { shuffle: false }, () => {
  describe('promise 6: a receiver on the feed of a real server', { shuffle: false }, () => {
    it.each([
      ['instance', ({ live }: Caller) => live.identity.spiffeId.path.split('/').at(-1) ?? '', 'serial', 'jti'],
      ['certificate', (caller: Caller) => toHex(leafOf(caller).serial), 'serial', 'jti'],
      ['key', (caller: Caller) => toHex(leafOf(caller).publicKey.spkiHash), 'spki', 'jti'],
    ] as const)(
      'refuses certificate and token that were taken back by their %s',
      async (handle, value, by, tokenBy) => {
        const [caller, other] = [await newCaller(), await newCaller()]
        await revoke(handle, value(caller))
        await sees(caller, `${REVOKED} ${by}`, `${INACTIVE} ${tokenBy}`)
        await sees(other, 'ACCEPTED', 'ACCEPTED')
      },
    )

    it.each([
      ['task', ({ task }: Caller) => task, 'task'],
      ['token', (caller: Caller) => claimsOf(caller)['jti'] ?? '', 'jti'],
      ['subject', ({ live }: Caller) => live.identity.spiffeId.toString(), 'subject'],
    ] as const)('refuses the token of a %s that was taken back, and goes on with its certificate', async (...row) => {
      const [handle, value, by] = row
      const [caller, other] = [await newCaller(), await newCaller()]
      await revoke(handle, value(caller))
      await sees(caller, 'ACCEPTED', `${INACTIVE} ${by}`)
      await sees(other, 'ACCEPTED', 'ACCEPTED')
    })

    it('refuses a suspended agent, and after it is resumed its certificate is good and its tokens are not', async () => {
      const caller = await newCaller()
      await done('/v1/agents/bot/suspend', {})
      await sees(caller, `${REVOKED} suspended`, `${INACTIVE} suspended`)
      await done('/v1/agents/bot/resume', {})
      await sees(caller, 'ACCEPTED', `${INACTIVE} actor`)
      // Nothing new until the second of the suspension has passed.
      await new Promise((resolve) => setTimeout(resolve, 2000))
      const again = await Caller.of(caller.live, BILLING)
      expect(await receiver.ofToken(again)).toBe('ACCEPTED')
    })

    it('refuses everything of an agent that was taken back whole, and takes who enrolls anew', async () => {
      const caller = await newCaller()
      await revoke('agent', 'bot')
      await sees(caller, `${REVOKED} agent`, `${INACTIVE} agent`)
      await new Promise((resolve) => setTimeout(resolve, 2000))
      await newCaller()
    })

    it('is told nothing when it is not registered for any audience', async () => {
      const stranger = await newReceiver('bot')
      await stranger.trust.start()
      void stranger.view.start()
      await expect.poll(() => stranger.failures, soon).toContain('FEED_NOT_REGISTERED')
      expect(stranger.ofCertificate(await newCaller())).toBe('RECEIVER_VIEW_MISSING')
      await stranger.close()
    })
  })

  async function reconnected(from: number): Promise<void> {
    await expect.poll(() => receiver.asked.length, soon).toBeGreaterThan(from)
    await expect.poll(() => receiver.view.age, soon).toBeLessThan(3000)
  }

  describe('a receiver that was cut off', { shuffle: false }, () => {
    it('goes on behind what it has heard when the server was restarted, and misses nothing', async () => {
      const [before, caller] = [receiver.asked.length, await newCaller()]
      receiver.leave()
      await revoke('instance', caller.live.identity.spiffeId.path.split('/').at(-1) ?? '')
      house = await house.restart()
      expect(receiver.ofCertificate(caller)).toBe('ACCEPTED')
      await receiver.comeBack()
      await reconnected(before)
      expect(receiver.asked.at(-1)).toMatch(/^\d+$/)
      await sees(caller, `${REVOKED} serial`, `${INACTIVE} jti`)
    }, 60_000)

    it('finds back by itself when the server goes and comes', async () => {
      const before = receiver.asked.length
      house = await house.restart()
      await reconnected(before)
      const caller = await newCaller()
      await revoke('token', claimsOf(caller)['jti'] ?? '')
      await sees(caller, 'ACCEPTED', `${INACTIVE} jti`)
    }, 60_000)

    it('goes on with another certificate after it was renewed', async () => {
      await receiver.live.renew()
      const before = receiver.asked.length
      house = await house.restart()
      await reconnected(before)
      expect(receiver.asked.at(-1)).toMatch(/^\d+$/)
      const caller = await newCaller()
      await revoke('task', caller.task)
      await sees(caller, 'ACCEPTED', `${INACTIVE} task`)
    }, 60_000)

    it('begins anew where the server cannot go on, and lets in who was resumed meanwhile', async () => {
      const caller = await newCaller()
      await done('/v1/agents/bot/suspend', {})
      await sees(caller, `${REVOKED} suspended`, `${INACTIVE} suspended`)
      const before = receiver.asked.length
      receiver.leave()
      await done('/v1/agents/bot/resume', {})
      // Something that comes after, so that the resumption is not the newest there is.
      await house.enroll('billing')
      house = await house.restart(() => {
        const file = new Sqlite(join(house.data, 'writ.db'))
        // As the purge does after a week; and as if nobody had been told of agents that are well.
        file.exec('DELETE FROM "Outbox" WHERE "position" < (SELECT MAX("position") FROM "Outbox")')
        file.exec('UPDATE "Agent" SET "version" = 1')
        file.close()
        return Promise.resolve()
      })
      await receiver.comeBack()
      await reconnected(before)
      expect(receiver.asked.at(-1)).toMatch(/^\d+$/)
      await sees(caller, 'ACCEPTED', `${INACTIVE} actor`)
    }, 60_000)
  })

  describe('a receiver whose authority was compromised', () => {
    it('lets nobody in by it any more, renews, and hears on', async () => {
      await new Promise((resolve) => setTimeout(resolve, 1500))
      const caller = await newCaller()
      const old = { chain: caller.chain }
      const { body } = await house.admin('/v1/authorities')
      const rows = body['items'] as readonly { readonly id: string; readonly kind: string; readonly state: string }[]
      const { id = '' } = rows.find(({ kind, state }) => kind === 'x509' && state === 'active') ?? {}
      const [before, serial] = [receiver.asked.length, receiver.live.identity.serial]
      await done(`/v1/authorities/${id}/taint`, { reason: 'a rehearsal', within: 60 })
      await expect.poll(() => receiver.ofCertificate(old), soon).toBe('RECEIVER_CERTIFICATE_INVALID PATH_NOT_FOUND')
      await expect.poll(() => receiver.live.identity.serial, soon).not.toBe(serial)
      await reconnected(before + 1)
      expect(receiver.failures).toContain('CLIENT_CERTIFICATE_UNTRUSTED')
      const next = await newCaller()
      await revoke('task', next.task)
      await sees(next, 'ACCEPTED', `${INACTIVE} task`)
    }, 60_000)
  })
})
