import express from 'express'
import { connect } from 'node:tls'
import { createServer, type Server } from 'node:https'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { PreparedHeader, signCompact, StatusArray, statusListClaims } from '#jwt/index.ts'
import { after, HOUR, MINUTE, SECOND } from '#kernel/instant.ts'
import {
  closeRevoked,
  LiveView,
  receiverError,
  receiverTlsOptions,
  requireTask,
  staticTrust,
  StatusLists,
  type Receiver,
  type ReceiverOptions,
  type RevocationOptions,
} from '#receiver/index.ts'
import { SpiffeId } from '#spiffe/index.ts'
import { parseCertificate } from '#x509/index.ts'
import { toHex } from '#kernel/bytes.ts'
import { FakeFeed } from '../fakes/feed.ts'
import { codeOf } from '../support/code-of.ts'
import { LoopbackServer, pemOf, ReceiverSetup, TRUST_DOMAIN } from '../support/receiver-setup.ts'
import type { TestLeaf } from '../support/test-authority.ts'
import { NOW, taskTokenClaims } from '../support/tokens.ts'

const LIST = 'https://status.example.org/status/3'

let setup: ReceiverSetup
let feed: FakeFeed
let view: LiveView
let agent: TestLeaf
let service: TestLeaf
let server: LoopbackServer | null = null

beforeEach(async () => {
  setup = await ReceiverSetup.create()
  agent = await setup.agent()
  service = await setup.authority.issue(SpiffeId.parse('spiffe://example.org/agent/billing/i-1'))
  feed = new FakeFeed()
  view = new LiveView({ openFeed: feed.open, clock: setup.clock, pause: 1 })
})

afterEach(async () => {
  view.close()
  await server?.close()
  server = null
})

const receiverWith = (revocation: RevocationOptions, more: Partial<ReceiverOptions> = {}): Receiver =>
  setup.receiver({ revocation, ...more })

async function serve(receiver: Receiver): Promise<void> {
  const app = express()
  const invoice = { actions: ['invoices:read'], identifiers: () => ['inv_17'] }
  app.get('/strict', requireTask(receiver, { ...invoice, maxViewAge: 10 * SECOND }))
  app.get('/plain', requireTask(receiver, invoice))
  app.use((_request, response) => {
    response.json({})
  })
  server = await LoopbackServer.listen({ ...receiverTlsOptions(), ...pemOf(service) }, app)
}

async function outcome(path = '/plain', token?: string): Promise<unknown> {
  if (server === null) throw new TypeError('nobody serves')
  const client = server.client(agent)
  const { status, body } = await server.get(client, path, `Bearer ${token ?? (await setup.token(agent))}`)
  client.destroy()
  return status === 200 ? 'ACCEPTED' : body['error_code']
}

const soon = { timeout: 10_000, interval: 5 }

describe('a receiver on the feed', () => {
  it('promise 6: refuses certificate and token from the moment when the feed says so', async () => {
    await view.start()
    await serve(receiverWith({ feed: view }))
    expect(await outcome()).toBe('ACCEPTED')
    feed.say('token', { jti: taskTokenClaims().id })
    await vi.waitFor(async () => {
      expect(await outcome()).toBe('RECEIVER_TOKEN_INACTIVE')
    }, soon)
    feed.say('certificate', { serial: toHex(parseCertificate(agent.certificate).serial) })
    await vi.waitFor(async () => {
      expect(await outcome()).toBe('RECEIVER_CERTIFICATE_REVOKED')
    }, soon)
  })

  it('promise 6: refuses on a connection that was open before', async () => {
    await view.start()
    await serve(receiverWith({ feed: view }))
    const [client, token] = [server?.client(agent), await setup.token(agent)]
    if (server === null || client === undefined) return
    const { get } = { get: () => server?.get(client, '/plain', `Bearer ${token}`) }
    expect((await get())?.status).toBe(200)
    feed.say('agent', { spiffe_id: 'spiffe://example.org/agent/classifier', state: 'suspended' })
    await vi.waitFor(async () => {
      expect((await get())?.status).toBe(401)
    }, soon)
    client.destroy()
  })

  it('promise 2: a feed that has gone stale denies everybody, and says to come again', async () => {
    await view.start()
    await serve(receiverWith({ feed: view }))
    feed.refusal = new TypeError('away')
    feed.drop()
    setup.clock.advance(5 * MINUTE)
    const token = await setup.token(agent, {
      issuedAt: setup.clock.now(),
      notBefore: NOW,
      expiresAt: after(NOW, 8 * MINUTE),
    })
    expect(await outcome('/plain', token)).toBe('ACCEPTED')
    setup.clock.advance(1)
    expect(await outcome('/plain', token)).toBe('RECEIVER_VIEW_STALE')
    feed.refusal = null
    await vi.waitFor(async () => {
      expect(await outcome('/plain', token)).toBe('ACCEPTED')
    }, soon)
  })

  it('promise 2: denies before there is a view', async () => {
    await serve(receiverWith({ feed: view }))
    expect(await outcome()).toBe('RECEIVER_VIEW_MISSING')
  })

  it('promise 6: a route may ask for a younger view than the receiver does', async () => {
    await view.start()
    await serve(receiverWith({ feed: view }))
    setup.clock.advance(10 * SECOND)
    expect(await outcome('/strict')).toBe('ACCEPTED')
    setup.clock.advance(1)
    expect([await outcome('/strict'), await outcome()]).toEqual(['RECEIVER_VIEW_STALE', 'ACCEPTED'])
  })

  it('refuses limits that it could not keep', () => {
    const receiver = setup.receiver()
    const require = (maxViewAge: number, by: Receiver): string =>
      codeOf(() => requireTask(by, { actions: ['a'], maxViewAge }))
    expect(require(5000, receiver)).toBe('RECEIVER_OPTIONS_INVALID')
    expect(require(0, receiverWith({ feed: view }))).toBe('RECEIVER_OPTIONS_INVALID')
    expect(require(Number.NaN, receiverWith({ feed: view }))).toBe('RECEIVER_OPTIONS_INVALID')
    expect(codeOf(() => receiverWith({}))).toBe('RECEIVER_OPTIONS_INVALID')
    expect(codeOf(() => receiverWith({ feed: view, maxAge: -1 }))).toBe('RECEIVER_OPTIONS_INVALID')
  })
})

describe('where the view is too old', () => {
  const status = { index: 5, uri: LIST }
  const token = (): Promise<string> => setup.token(agent, { status })

  async function list(...invalid: number[]): Promise<string> {
    const now = setup.clock.now()
    const statuses = StatusArray.ofInvalid(16, invalid)
    const fields = { uri: LIST, issuedAt: now, expiresAt: after(now, 10 * MINUTE), ttl: 20 * SECOND, statuses }
    const header = new PreparedHeader('status-list', 'ES256', setup.issuerKey.kid)
    return signCompact(header, statusListClaims(fields), setup.issuerKey.signer)
  }

  it('the status list answers, is fetched once for all who ask, and kept for as long as it says', async () => {
    let [fetches, invalid]: [number, number[]] = [0, []]
    const fetchStatusList = async (): Promise<string> => {
      fetches++
      return list(...invalid)
    }
    const statusList = new StatusLists({ fetchStatusList, clock: setup.clock })
    await serve(receiverWith({ feed: view, statusList }))
    const text = await token()
    const all = await Promise.all(Array.from({ length: 5 }, () => outcome('/plain', text)))
    expect(new Set(all)).toEqual(new Set(['ACCEPTED']))
    expect(fetches).toBe(1)
    invalid = [5]
    setup.clock.advance(10 * SECOND)
    expect(await outcome('/strict', text)).toBe('ACCEPTED')
    setup.clock.advance(1)
    expect(await outcome('/strict', text)).toBe('RECEIVER_TOKEN_INACTIVE')
    expect(fetches).toBe(2)
  })

  it('what was dead in the old view is dead', async () => {
    await view.start()
    feed.say('certificate', { serial: toHex(parseCertificate(agent.certificate).serial) })
    await vi.waitUntil(() => view.known?.size === 1, soon)
    view.close()
    setup.clock.advance(6 * MINUTE)
    await serve(receiverWith({ feed: view, introspect: () => Promise.resolve({ active: true }) }))
    expect(await outcome()).toBe('RECEIVER_CERTIFICATE_REVOKED')
  })

  it('introspection answers where the list cannot, and nobody passes where it cannot either', async () => {
    const away = (): Promise<never> => Promise.reject(new TypeError('away'))
    const statusList = new StatusLists({ fetchStatusList: away, clock: setup.clock })
    let active: unknown = true
    await serve(receiverWith({ statusList, introspect: () => Promise.resolve({ active }) }))
    expect(await outcome('/plain', await token())).toBe('ACCEPTED')
    active = false
    expect(await outcome('/plain', await token())).toBe('RECEIVER_TOKEN_INACTIVE')
    await server?.close()
    await serve(receiverWith({ statusList, introspect: away }))
    expect(await outcome('/plain', await token())).toBe('RECEIVER_INTROSPECTION_FAILED')
    await server?.close()
    await serve(receiverWith({ statusList }))
    expect(await outcome('/plain', await token())).toBe('RECEIVER_STATUS_UNKNOWN')
    expect(await outcome()).toBe('RECEIVER_STATUS_UNKNOWN')
  })

  it('a list of somebody else is none', async () => {
    const other = await ReceiverSetup.create()
    const fields = {
      uri: LIST,
      issuedAt: NOW,
      expiresAt: after(NOW, HOUR),
      ttl: SECOND,
      statuses: StatusArray.ofInvalid(16, []),
    }
    const header = new PreparedHeader('status-list', 'ES256', setup.issuerKey.kid)
    const forged = await signCompact(header, statusListClaims(fields), other.issuerKey.signer)
    const statusList = new StatusLists({ fetchStatusList: () => Promise.resolve(forged), clock: setup.clock })
    await serve(receiverWith({ statusList }))
    expect(await outcome('/plain', await token())).toBe('RECEIVER_STATUS_UNKNOWN')
  })

  it('a certificate alone cannot be judged', async () => {
    const receiver = receiverWith({ feed: view, introspect: () => Promise.resolve({ active: true }) })
    expect(codeOf(() => receiver.verifyCertificate([agent.certificate]))).toBe('RECEIVER_VIEW_MISSING')
    await view.start()
    expect(codeOf(() => receiver.verifyCertificate([agent.certificate]))).toBe('ACCEPTED')
  })
})

describe('open connections', () => {
  let tls: Server
  let stop: () => void
  let isTrustAway: boolean

  async function open(
    identity: TestLeaf | undefined,
  ): Promise<{ readonly isClosed: () => boolean; readonly end: () => void }> {
    const { port } = tls.address() as AddressInfo
    const own = identity === undefined ? {} : pemOf(identity)
    const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false, ...own })
    let isClosed = false
    socket.once('close', () => (isClosed = true)).once('error', () => undefined)
    const accepted = once(tls, 'secureConnection')
    await Promise.all([once(socket, 'secureConnect'), accepted])
    return { isClosed: () => isClosed, end: () => socket.destroy() }
  }

  beforeEach(async () => {
    await view.start()
    tls = createServer({ ...receiverTlsOptions(), ...pemOf(service) })
    tls.listen(0, '127.0.0.1')
    await once(tls, 'listening')
    isTrustAway = false
    const held = staticTrust(TRUST_DOMAIN, setup.documents())
    const trust = {
      current: () => {
        if (isTrustAway) throw receiverError('RECEIVER_TRUST_STALE')
        return held.current()
      },
    }
    stop = closeRevoked(tls, { receiver: receiverWith({ feed: view }, { trust }), feed: view, every: 5 })
  })
  afterEach(() => {
    stop()
    tls.close()
  })

  it('promise 6: are closed when their peer is revoked, and those of others are not', async () => {
    const [mine, others, nobodys] = [await open(agent), await open(await setup.agent()), await open(undefined)]
    feed.say('certificate', { serial: toHex(parseCertificate(agent.certificate).serial) })
    await vi.waitUntil(mine.isClosed, soon)
    expect([others.isClosed(), nobodys.isClosed()]).toEqual([false, false])
    others.end()
    nobodys.end()
  })

  it('promise 6: are closed when the certificate runs out, also while the feed and the bundle are away', async () => {
    const connection = await open(agent)
    await new Promise((resolve) => setTimeout(resolve, 50))
    feed.refusal = new TypeError('away')
    feed.drop()
    isTrustAway = true
    setup.clock.advance(2 * HOUR)
    await vi.waitUntil(connection.isClosed, soon)
  })

  it('are closed when their peer was dead in a view that is old by now', async () => {
    feed.say('certificate', { serial: toHex(parseCertificate(agent.certificate).serial) })
    await vi.waitUntil(() => view.known?.size === 1, soon)
    feed.refusal = new TypeError('away')
    feed.drop()
    setup.clock.advance(30 * MINUTE)
    const connection = await open(agent)
    await vi.waitUntil(connection.isClosed, soon)
  })

  it('are closed when the certificate runs out, and left open while nobody can judge them', async () => {
    const connection = await open(agent)
    feed.refusal = new TypeError('away')
    feed.drop()
    setup.clock.advance(30 * MINUTE)
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(connection.isClosed()).toBe(false)
    feed.refusal = null
    await vi.waitUntil(() => view.age < MINUTE, soon)
    setup.clock.advance(2 * HOUR)
    feed.heartbeat()
    await vi.waitUntil(connection.isClosed, soon)
  })
})
