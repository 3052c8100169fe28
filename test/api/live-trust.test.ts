import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { request } from 'undici'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { SystemClock, SystemRandom } from '#adapters/system/index.ts'
import {
  bundleOf,
  certificatesOf,
  identityHome,
  IdentityKeeper,
  verifiedAgent,
  type ServerTrust,
  withSession,
} from '#client/index.ts'
import { wholeSecond } from '#kernel/instant.ts'
import { SpiffeId } from '#spiffe/index.ts'
import { parseCertificate } from '#x509/index.ts'
import { codeOfAsync } from '../support/code-of.ts'
import { newIdentity, newLive } from '../support/fleet.ts'
import { Operator } from '../support/operator.ts'
import { pemOf } from '../support/receiver-setup.ts'
import { TestHouse } from '../support/server.ts'
import { TestAuthority } from '../support/test-authority.ts'
import { TRUST_DOMAIN } from '../support/trust-domain.ts'

const clock = new SystemClock()
const random = new SystemRandom()
const PATIENCE = { timeout: 30_000, interval: 100 }

let house: TestHouse
let operator: Operator
let folder: string

beforeAll(async () => {
  // The tests count the authorities that they make.
  house = await TestHouse.start({ authorities: { standby: false } })
  await house.register('bot')
  operator = await Operator.at(house)
  folder = mkdtempSync(join(tmpdir(), 'writ-trust-'))
})
afterAll(async () => {
  await operator.close()
  await house.stop()
  rmSync(folder, { recursive: true })
})

describe('promise 8: a client that follows the bundle', () => {
  it('says with every call which one it holds', async () => {
    const identity = await newIdentity(house)
    await withSession(identity, { clock, random }, (session) => session.listTasks())
    await vi.waitFor(async () => {
      const reported = (await operator.adoption()).get(identity.instance)
      expect(reported?.sequence).toBe(Number(bundleOf(identity).sequence))
    }, PATIENCE)
  })

  it('holds a newer one soon, and says so, without a renewal', async () => {
    const trusted = vi.fn()
    const live = await newLive(house, { trusted })
    const { serial } = live.identity
    const before = bundleOf(live.identity)
    const next = await operator.prepare('x509')
    await operator.step(next, 'publish')
    await vi.waitFor(async () => {
      expect(bundleOf(live.identity).x509Authorities).toHaveLength(before.x509Authorities.length + 1)
      const reported = (await operator.adoption()).get(live.identity.instance)
      expect(reported?.sequence).toBe(Number(bundleOf(live.identity).sequence))
    }, PATIENCE)
    expect(live.identity.serial).toBe(serial)
    expect(trusted).toHaveBeenCalledWith(expect.anything(), { contentChanged: true })
    await live.close()
    await operator.step(next, 'retire')
  })

  it('says nothing of a bundle that a program cannot read yet, so that a rotation waits for its disk', async () => {
    const identity = await newIdentity(house)
    const home = identityHome(join(folder, 'full'))
    const disk = { ...home, full: false }
    disk.write = (kept) => {
      if (disk.full) throw Object.assign(new TypeError('no space'), { code: 'ENOSPC' })
      home.write(kept)
    }
    const failed = vi.fn()
    const keeper = new IdentityKeeper(identity, { clock, random, folders: [disk], renewed: vi.fn(), failed })
    disk.full = true
    const next = await operator.prepare('x509')
    await operator.step(next, 'publish')
    const [old, reported] = [
      Number(bundleOf(identity).sequence),
      async () => (await operator.adoption()).get(identity.instance)?.sequence,
    ]
    await vi.waitFor(() => {
      expect(failed).toHaveBeenCalledOnce()
    }, PATIENCE)
    expect(Number(bundleOf(keeper.identity).sequence)).toBeGreaterThan(old)
    await keeper.renew()
    await vi.waitFor(async () => {
      expect(await reported()).toBe(old)
    }, PATIENCE)
    disk.full = false
    keeper.check()
    await keeper.renew()
    await vi.waitFor(async () => {
      expect(await reported()).toBe(Number(bundleOf(keeper.identity).sequence))
    }, PATIENCE)
    await keeper.close()
    await operator.step(next, 'retire')
  })

  it('keeps its files fresh between two renewals, and tells of that once they are there', async () => {
    const identity = await newIdentity(house)
    const next = await operator.prepare('x509')
    await operator.step(next, 'publish')
    const home = identityHome(join(folder, 'home'))
    const read = () => certificatesOf(readFileSync(join(home.path, 'ca.pem'), 'utf8')).length
    const [seen, renewed]: [number[], unknown[]] = [[], []]
    const keeper = new IdentityKeeper(identity, {
      clock,
      random,
      folders: [home],
      renewed: (one) => renewed.push(one),
      trusted: () => seen.push(read()),
      failed: vi.fn(),
    })
    const before = read()
    await vi.waitFor(() => {
      expect(seen).toEqual([before + 1])
    }, PATIENCE)
    expect(readFileSync(join(home.path, 'bundle.json'), 'utf8')).toBe(keeper.identity.bundleJson)
    expect(renewed).toEqual([])
    await keeper.close()
    await operator.step(next, 'retire')
  })

  it('renews within seconds when its own issuer has left the bundle, and goes on following it', async () => {
    const renewed = vi.fn()
    const live = await newLive(house, { renewed })
    const old = await operator.find('x509', 'active')
    const next = await operator.prepare('x509')
    await operator.step(next, 'publish')
    await vi.waitFor(() => {
      expect(bundleOf(live.identity).x509Authorities).toHaveLength(2)
    }, PATIENCE)
    await operator.step(next, 'activate')
    // The server's own certificate is of the new authority by then.
    await vi.waitFor(async () => {
      expect(await codeOfAsync(() => onlyUnder(1))).toBe('ACCEPTED')
    }, PATIENCE)
    await operator.step(old, 'taint')
    await vi.waitFor(() => {
      expect(bundleOf(live.identity).x509Authorities).toHaveLength(1)
      expect(renewed).toHaveBeenCalled()
    }, PATIENCE)
    const another = await operator.prepare('x509')
    await operator.step(another, 'publish')
    await vi.waitFor(() => {
      expect(bundleOf(live.identity).x509Authorities).toHaveLength(2)
    }, PATIENCE)
    await live.close()
  })
})

/** Whether the server can be verified with the newest of `newest` anchors alone. */
async function onlyUnder(newest: number): Promise<void> {
  const identity = await newIdentity(house)
  const anchors = bundleOf(identity)
    .x509Authorities.map((der) => parseCertificate(der))
    .toSorted((left, right) => left.notBefore - right.notBefore)
    .slice(-newest)
  const agent = verifiedAgent({
    trust: () => ({ kind: 'anchors', anchors }),
    expectation: () => ({ kind: 'spiffe-id', accepts: () => true }),
    clock,
  })
  try {
    await request(`https://localhost:${String(house.port)}/bundle`, { dispatcher: agent }).then(({ body }) =>
      body.dump(),
    )
  } finally {
    await agent.close()
  }
}

describe('a connection to a peer of an authority that is not known yet', () => {
  const knocking = async (learns: boolean) => {
    const [known, unknown] = [
      await TestAuthority.create(TRUST_DOMAIN, wholeSecond(clock.now())),
      await TestAuthority.create(TRUST_DOMAIN, wholeSecond(clock.now())),
    ]
    const leaf = pemOf(await unknown.issue(SpiffeId.parse('spiffe://example.org/agent/peer')))
    const heard = vi.fn()
    const server = createServer(leaf, (_incoming, response) => {
      heard()
      response.end('hello')
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const parsed = [known, unknown].map(({ certificate }) => parseCertificate(certificate))
    let trust: ServerTrust = { kind: 'anchors', anchors: parsed.slice(0, 1) }
    const asked = vi.fn(() => {
      if (learns) trust = { kind: 'anchors', anchors: parsed }
      return learns ? Promise.resolve() : Promise.reject(new TypeError('away'))
    })
    const agent = verifiedAgent({
      trust: () => trust,
      trustAgain: asked,
      expectation: () => ({ kind: 'spiffe-id', accepts: () => true }),
      clock,
    })
    const url = `https://127.0.0.1:${String((server.address() as AddressInfo).port)}/`
    const outcome = await request(url, { dispatcher: agent }).then(
      ({ body }) => body.text(),
      (error: unknown) => (error as { code?: string }).code,
    )
    await agent.close()
    server.closeAllConnections()
    server.close()
    return { outcome, asked: asked.mock.calls.length, heard: heard.mock.calls.length }
  }

  it('waits for the newer bundle, and goes on when that holds the authority', async () => {
    expect(await knocking(true)).toEqual({ outcome: 'hello', asked: 1, heard: 1 })
  })

  it('is refused when there is none, and the peer is sent nothing', async () => {
    expect(await knocking(false)).toEqual({ outcome: 'SERVER_NOT_TRUSTED', asked: 1, heard: 0 })
  })
})
