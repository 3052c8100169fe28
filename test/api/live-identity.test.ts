import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { SystemClock, SystemRandom } from '#adapters/system/index.ts'
import { enroll, LiveIdentity, pemKeyOf, trustOfJoinToken, type Identity, type TaskToken } from '#client/index.ts'
import { isWritError } from '#kernel/errors.ts'
import { instant, MINUTE } from '#kernel/instant.ts'
import { Secret } from '#kernel/secret.ts'
import { createReceiver, receiverTlsOptions, requireTask, staticTrust } from '#receiver/index.ts'
import { parseJoinToken } from '#wire/index.ts'
import { FakeClock } from '../fakes/clock.ts'
import { codeOfAsync } from '../support/code-of.ts'
import { BILLING, TestHouse } from '../support/server.ts'

const clock = new SystemClock()
const random = new SystemRandom()

let house: TestHouse
let service: Server
let url: string

async function newIdentity(): Promise<Identity> {
  const text = await house.joinToken('bot')
  return enroll({
    server: `https://localhost:${String(house.port)}`,
    trust: trustOfJoinToken(parseJoinToken(text)),
    evidence: { attestor: 'join_token', token: new Secret(text) },
    clock,
  })
}

async function newToken(live: LiveIdentity): Promise<TaskToken> {
  const task = await live.session.openTask({ authority: [{ type: 'task', resource: BILLING, actions: ['read'] }] })
  return live.exchange({ task: task.id, resource: BILLING })
}

/** Accepts every member of the trust domain as the service: here only the caller is on trial. */
const live = async (identity: Identity): Promise<LiveIdentity> =>
  Promise.resolve(new LiveIdentity(identity, { clock, random, accepts: () => true }))

beforeAll(async () => {
  house = await TestHouse.start()
  await house.register('bot')
  const own = await newIdentity()
  const receiver = createReceiver({
    audience: BILLING,
    issuer: 'https://id.example.org',
    trust: staticTrust(own.spiffeId.trustDomain, {
      bundle: own.bundleJson,
      jwks: JSON.stringify((await house.ask('/oauth2/jwks')).body),
    }),
    allow: ['spiffe://example.org/agent/bot'],
    clock,
  })
  const read = requireTask(receiver, { actions: ['read'] })
  const tls = { ...receiverTlsOptions(), cert: own.chainPem, key: pemKeyOf(own).reveal() }
  service = createServer(tls, (request, response) => void read(request, response, () => response.end('read')))
  await new Promise<void>((resolve) => service.listen(0, '127.0.0.1', resolve))
  url = `https://127.0.0.1:${String((service.address() as AddressInfo).port)}/`
})

afterAll(async () => {
  service.closeAllConnections()
  await new Promise((resolve) => service.close(resolve))
  await house.stop()
})

describe('an identity that keeps itself fresh', () => {
  it('MT-5 goes on presenting a token over the certificate that it is bound to, across a renewal', async () => {
    const agent = await live(await newIdentity())
    const before = await newToken(agent)
    expect((await agent.fetch(url, before)).status).toBe(200)
    const serial = agent.identity.serial
    await agent.renew()
    expect(agent.identity.serial).not.toBe(serial)
    expect((await agent.fetch(url, before)).status).toBe(200)
    const after = await newToken(agent)
    expect((await agent.fetch(url, after)).status).toBe(200)
    await agent.close()
  })

  it('shares one renewal among all who ask for it at once', async () => {
    const agent = await live(await newIdentity())
    const renewed = await Promise.all(Array.from({ length: 20 }, () => agent.renew()))
    expect(new Set(renewed.map(({ serial }) => serial)).size).toBe(1)
    await agent.close()
  })

  it('narrows a token over the certificate that it is bound to, across a renewal', async () => {
    const agent = await live(await newIdentity())
    const token = await newToken(agent)
    await agent.renew()
    const details = [{ type: 'task' as const, resource: BILLING, actions: ['read'], identifiers: ['inv_1'] }]
    const narrow = await agent.narrow({ from: token, resource: BILLING, authorizationDetails: details })
    expect(narrow.authorizationDetails[0]?.identifiers).toEqual(['inv_1'])
    await agent.close()
  })

  it('tells of a renewal, and can be used no more once it is closed', async () => {
    const told: string[] = []
    const agent = new LiveIdentity(await newIdentity(), { clock, random, renewed: ({ serial }) => told.push(serial) })
    await agent.renew()
    expect(told).toEqual([agent.identity.serial])
    await agent.close()
    expect(await codeOfAsync(() => agent.renew())).toBe('IDENTITY_CLOSED')
  })

  it('does not talk to a service that proves another name than it expects', async () => {
    const agent = new LiveIdentity(await newIdentity(), { clock, random, accepts: (id) => id.endsWith('/agent/other') })
    const token = await newToken(agent)
    await expect(agent.fetch(url, token)).rejects.toThrow()
    await agent.close()
  })

  it('renews by itself when its time has come', async () => {
    const identity = await newIdentity()
    const late = { now: () => instant(identity.renewAt + 10 * MINUTE), monotonic: () => clock.monotonic() }
    const renewed = await new Promise<Identity>((resolve) => {
      const agent = new LiveIdentity(identity, {
        clock: late,
        random,
        renewed: (next) => {
          resolve(next)
          void agent.close()
        },
      })
    })
    expect(renewed.serial).not.toBe(identity.serial)
  })

  it('keeps the old certificate when the server is away, says so, and tries again', async () => {
    const identity = { ...(await newIdentity()), server: 'https://127.0.0.1:9' }
    const late = { now: () => instant(identity.renewAt + 10 * MINUTE), monotonic: () => clock.monotonic() }
    let agent: LiveIdentity | undefined
    const failure = await new Promise<unknown>((resolve) => {
      agent = new LiveIdentity(identity, { clock: late, random, failed: resolve })
    })
    expect(isWritError(failure, 'SERVER_UNREACHABLE')).toBe(true)
    expect(agent?.identity.serial).toBe(identity.serial)
    await agent?.close()
  })

  it('is not hurried by a clock that was set back, and goes on when its time comes', async () => {
    const identity = { ...(await newIdentity()), server: 'https://127.0.0.1:9' }
    const jumping = new FakeClock(instant(identity.renewAt - 20 * MINUTE))
    const failed = vi.fn()
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const agent = new LiveIdentity(identity, { clock: jumping, random, failed })
    try {
      jumping.set(instant(identity.notBefore - 60 * MINUTE))
      await vi.advanceTimersByTimeAsync(60 * MINUTE)
      expect(failed).not.toHaveBeenCalled()
      jumping.set(instant(identity.renewAt + 10 * MINUTE))
      await vi.advanceTimersByTimeAsync(30_000)
      vi.useRealTimers()
      await vi.waitFor(() => {
        expect(failed).toHaveBeenCalledOnce()
      })
    } finally {
      vi.useRealTimers()
      await agent.close()
    }
  })

  it('draws when it is due once for each certificate, within a tenth of half of its life around the middle', async () => {
    const identity = { ...(await newIdentity()), server: 'https://127.0.0.1:9' }
    const half = (identity.notAfter - identity.notBefore) / 2
    for (const [octet, offset] of [
      [0, -0.1],
      [255, 0.1],
    ] as const) {
      const draws: number[] = []
      const chosen = { bytes: (length: number) => (draws.push(length), new Uint8Array(length).fill(octet)) }
      const due = identity.renewAt + offset * half
      const jumping = new FakeClock(instant(Math.round(due) - 1000))
      const failed = vi.fn()
      vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
      const agent = new LiveIdentity(identity, { clock: jumping, random: chosen, failed })
      try {
        await vi.advanceTimersByTimeAsync(30_000)
        expect(failed).not.toHaveBeenCalled()
        expect(draws).toEqual([1])
        jumping.set(instant(Math.round(due) + 1000))
        await vi.advanceTimersByTimeAsync(30_000)
        vi.useRealTimers()
        await vi.waitFor(() => {
          expect(failed).toHaveBeenCalled()
        })
      } finally {
        vi.useRealTimers()
        await agent.close()
      }
    }
  })

  it('notices a clock that was set forward within 30 seconds, and not before it is due', async () => {
    const identity = { ...(await newIdentity()), server: 'https://127.0.0.1:9' }
    const jumping = new FakeClock(identity.notBefore)
    const failed = vi.fn()
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const agent = new LiveIdentity(identity, { clock: jumping, random, failed })
    try {
      await vi.advanceTimersByTimeAsync(10 * MINUTE)
      expect(failed).not.toHaveBeenCalled()
      jumping.set(instant(identity.renewAt + 10 * MINUTE))
      await vi.advanceTimersByTimeAsync(30_000)
      vi.useRealTimers()
      await vi.waitFor(() => {
        expect(failed).toHaveBeenCalledOnce()
      })
    } finally {
      vi.useRealTimers()
      await agent.close()
    }
  })
})
