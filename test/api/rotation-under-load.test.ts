import { X509Certificate } from 'node:crypto'
import { connect } from 'node:tls'
import { once } from 'node:events'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import type { AuthorityKind } from '#authority/index.ts'
import { bundleOf, type LiveIdentity } from '#client/index.ts'
import { toHex } from '#kernel/bytes.ts'
import { parseCertificate } from '#x509/index.ts'
import { Fleet } from '../support/fleet.ts'
import { Operator } from '../support/operator.ts'
import { TestHouse } from '../support/server.ts'

const PATIENCE = { timeout: 120_000, interval: 200 }

let house: TestHouse
let operator: Operator
let fleet: Fleet

beforeAll(async () => {
  house = await TestHouse.start({ limits: { identity: { rate: 100_000, burst: 100_000 } } })
  await house.register('bot')
  operator = await Operator.at(house)
  fleet = await Fleet.start(house, { size: 5, lanes: 2 })
}, 60_000)
afterAll(async () => {
  await fleet.stop()
  await operator.close()
  await house.stop()
})

const heldBy = (live: LiveIdentity): bigint => bundleOf(live.identity).sequence ?? 0n

/** Everybody holds what the server publishes now, and the store has heard of it. */
async function adopted(): Promise<void> {
  const published = JSON.parse(String((await house.ask('/bundle')).body['spiffe_sequence'])) as number
  await vi.waitFor(async () => {
    const reported = await operator.adoption()
    for (const live of fleet.everybody) {
      expect(heldBy(live)).toBeGreaterThanOrEqual(BigInt(published))
      expect(reported.get(live.identity.instance)?.sequence).toBeGreaterThanOrEqual(published)
    }
  }, PATIENCE)
}

/** Key identifiers of the authority that signed the server's certificate, and of one by its id. */
async function serverIssuer(): Promise<string> {
  const socket = connect({ host: '127.0.0.1', port: house.port, servername: 'localhost', rejectUnauthorized: false })
  await once(socket, 'secureConnect')
  const leaf = parseCertificate(new Uint8Array(socket.getPeerX509Certificate()?.raw ?? []))
  socket.destroy()
  return toHex(leaf.extension('authorityKeyIdentifier')?.keyIdentifier ?? new Uint8Array())
}

async function certificateOf(id: string): Promise<string> {
  const { body } = await house.admin('/v1/authorities')
  const rows = body['items'] as readonly { readonly id: string; readonly certificate: string | null }[]
  const pem = rows.find((row) => row.id === id)?.certificate ?? ''
  return toHex(new Uint8Array(new X509Certificate(pem).raw))
}

async function issuerChanges(from: string): Promise<void> {
  await vi.waitFor(async () => {
    expect(await serverIssuer()).not.toBe(from)
  }, PATIENCE)
}

async function published(kind: AuthorityKind): Promise<string> {
  const next = await operator.prepare(kind)
  await operator.step(next, 'publish')
  await adopted()
  return next
}

/** Some more calls were made, so that whatever just happened had its chance to break one. */
async function someCalls(): Promise<void> {
  const target = fleet.calls + 50
  await vi.waitFor(() => {
    expect(fleet.calls).toBeGreaterThan(target)
  }, PATIENCE)
}

describe('promise 8: calls without a pause', () => {
  it.each(['access-token', 'jwt-svid'] as const)(
    'lose none while the key of kind %s is activated, rolled back, activated again and its predecessor retired',
    async (kind) => {
      const old = await operator.find(kind, 'active')
      const next = await published(kind)
      for (const step of ['activate', 'rollback', 'activate'] as const) {
        await operator.step(next, step)
        await someCalls()
      }
      await operator.step(old, 'retire')
      await someCalls()
      expect(fleet.failures).toEqual([])
    },
    400_000,
  )

  it('lose none while the X.509 authority is activated, rolled back, activated again and its predecessor retired', async () => {
    const old = await operator.find('x509', 'active')
    const anchor = await certificateOf(old)
    const before = await serverIssuer()
    const next = await published('x509')
    await operator.step(next, 'activate')
    await issuerChanges(before)
    const after = await serverIssuer()
    await Promise.all(fleet.everybody.map((live) => live.renew()))
    await operator.step(next, 'rollback')
    await issuerChanges(after)
    await operator.step(next, 'activate')
    await issuerChanges(before)
    await Promise.all(fleet.everybody.map((live) => live.renew()))
    await someCalls()
    await operator.step(old, 'retire')
    await adopted()
    await someCalls()
    expect(fleet.failures).toEqual([])
    // The one that signs, and what is in reserve for it.
    for (const live of fleet.everybody) {
      expect(bundleOf(live.identity).x509Authorities.map(toHex)).not.toContain(anchor)
    }
  }, 400_000)
})
