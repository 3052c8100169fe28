import { X509Certificate } from 'node:crypto'
import { connect } from 'node:tls'
import { once } from 'node:events'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { PUBLISHED_MAX_AGE } from '#authority/index.ts'
import { bundleOf, type LiveIdentity } from '#client/index.ts'
import { SECOND } from '#kernel/instant.ts'
import { parseJoinToken } from '#wire/index.ts'
import { newLive } from '../support/fleet.ts'
import { TestHouse, type Enrolled } from '../support/server.ts'

const PATIENCE = { timeout: 30_000, interval: 200 }

interface Item {
  readonly authority: string
  readonly kind: string
  readonly state: string
  readonly standby: boolean
  readonly next: { readonly step: string; readonly at: string | null } | null
}

let house: TestHouse
let live: LiveIdentity
let silent: Enrolled

beforeAll(async () => {
  house = await TestHouse.start()
  await house.register('bot')
  await house.register('silent-bot')
  silent = await house.enroll('silent-bot')
  live = await newLive(house)
  await vi.waitFor(reserve, PATIENCE)
}, 60_000)
afterAll(async () => {
  await live.close()
  await house.stop()
})

async function issuing(): Promise<readonly Item[]> {
  const { body } = await house.admin('/v1/rotation')
  return (body['items'] as readonly Item[]).filter(({ kind }) => kind === 'x509')
}

async function reserve(): Promise<Item> {
  const found = (await issuing()).find(({ standby }) => standby)
  if (found === undefined) throw new TypeError('none is kept in reserve')
  return found
}

const active = async () => (await issuing()).find(({ state }) => state === 'active')?.authority ?? ''
const lockedOut = async (id: string) =>
  (await house.admin(`/v1/authorities/${id}/taint`, { json: { dry_run: true } })).body['unaware']

/** Whether what the server presents was signed by an anchor that somebody holds. */
async function isKnownTo(anchors: readonly Uint8Array[]): Promise<boolean> {
  const socket = connect({ host: '127.0.0.1', port: house.port, rejectUnauthorized: false, servername: 'localhost' })
  await once(socket, 'secureConnect')
  const presented = socket.getPeerX509Certificate()
  socket.destroy()
  return anchors.some((der) => presented?.verify(new X509Certificate(der).publicKey) === true)
}

describe('an authority in reserve, on a running server', () => {
  it('is published by itself soon after the start, and is not the one that follows', async () => {
    expect(await reserve()).toMatchObject({ state: 'published', next: { step: 'activate', at: null } })
    const trusted = (await issuing()).filter(({ state }) => state !== 'tainted')
    expect(trusted.map(({ state, standby }) => [state, standby])).toEqual([
      ['active', false],
      ['published', true],
    ])
  }, 60_000)

  it('promise 13 is among the pins of a new join token', async () => {
    await vi.waitFor(async () => {
      expect(parseJoinToken(await house.joinToken('bot')).pins).toHaveLength(2)
    }, PATIENCE)
  }, 60_000)

  it('promise 8 the documents that publish it are cached for no longer than the measured gate waits', async () => {
    for (const path of ['/bundle', '/oauth2/jwks', '/spiffe/jwks']) {
      const { headers } = await house.ask(path)
      expect([path, headers['cache-control']]).toEqual([path, `public, max-age=${String(PUBLISHED_MAX_AGE / SECOND)}`])
    }
  })

  it('is counted before a taint: who has it, and who does not', async () => {
    const id = await active()
    await vi.waitFor(async () => {
      const first = [silent.svid.spiffe_id]
      expect(await lockedOut(id)).toEqual({ instances: 1, more: false, first })
    }, PATIENCE)
    const other = (await issuing()).find(({ standby }) => standby)?.authority ?? ''
    expect(await lockedOut(other)).toBeNull()
  }, 60_000)

  it('promise 14 lets a client that follows the hint go on through a taint without notice, and is replaced', async () => {
    const next = await reserve()
    await vi.waitFor(() => {
      expect(bundleOf(live.identity).x509Authorities).toHaveLength(2)
    }, PATIENCE)
    const held = bundleOf(live.identity).x509Authorities
    const before = live.identity.serial
    const id = await active()
    expect((await house.admin(`/v1/authorities/${id}/taint`, { json: { reason: 'a rehearsal' } })).status).toBe(200)
    expect(await active()).toBe(next.authority)
    await vi.waitFor(async () => {
      expect(await isKnownTo(held)).toBe(true)
      expect(live.identity.serial).not.toBe(before)
    }, PATIENCE)
    const who = await live.session.listTasks()
    expect(who).toBeDefined()
    await vi.waitFor(async () => {
      expect((await reserve()).authority).not.toBe(next.authority)
    }, PATIENCE)
  }, 90_000)
})
