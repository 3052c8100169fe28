import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { SystemClock, SystemRandom } from '#adapters/system/index.ts'
import { enroll, identityHome, IdentityKeeper, readIdentity, trustOfJoinToken } from '#client/index.ts'
import type { Identity, KeptFolder } from '#client/index.ts'
import { isWritError } from '#kernel/errors.ts'
import { SECOND } from '#kernel/instant.ts'
import { Secret } from '#kernel/secret.ts'
import { parseJoinToken } from '#wire/index.ts'
import { FakeClock } from '../fakes/clock.ts'
import { codeOfAsync } from '../support/code-of.ts'
import { TestHouse } from '../support/server.ts'

const clock = new SystemClock()
const random = new SystemRandom()

let house: TestHouse
let cwd: string
let count = 0

async function newIdentity(): Promise<Identity> {
  const text = await house.joinToken('bot')
  return enroll({
    server: `https://localhost:${String(house.port)}`,
    trust: trustOfJoinToken(parseJoinToken(text)),
    evidence: { attestor: 'join_token', token: new Secret(text) },
    clock,
  })
}

const newHome = (): KeptFolder => identityHome(join(cwd, `home${String(count++)}`))

/** A folder on a disk that is full until it is told otherwise. */
function fullDisk(home: KeptFolder): KeptFolder & { full: boolean } {
  return {
    path: home.path,
    full: true,
    write(identity) {
      if (this.full) throw Object.assign(new TypeError('no space'), { code: 'ENOSPC' })
      home.write(identity)
    },
    isWhole: () => home.isWhole(),
  }
}

beforeAll(async () => {
  house = await TestHouse.start()
  cwd = mkdtempSync(join(tmpdir(), 'writ-keeper-'))
  await house.register('bot')
})
afterAll(async () => {
  await house.stop()
  rmSync(cwd, { recursive: true })
})

describe('a keeper of identity files', () => {
  it('tells of a renewal after the new files are in place', async () => {
    const home = newHome()
    const seen: string[] = []
    const renewed = ({ serial }: Identity): void => void seen.push(serial, readIdentity(home.path).serial)
    const keeper = new IdentityKeeper(await newIdentity(), { clock, random, folders: [home], renewed, failed: vi.fn() })
    await keeper.renew()
    expect(seen).toEqual([keeper.identity.serial, keeper.identity.serial])
    await keeper.close()
  })

  it('writes what was removed again, and does not call that a renewal', async () => {
    const home = newHome()
    const renewed = vi.fn()
    const keeper = new IdentityKeeper(await newIdentity(), { clock, random, folders: [home], renewed, failed: vi.fn() })
    const key = readFileSync(join(home.path, 'key.pem'), 'utf8')
    rmSync(join(home.path, 'key.pem'))
    keeper.check()
    expect(readFileSync(join(home.path, 'key.pem'), 'utf8')).toBe(key)
    expect(renewed).not.toHaveBeenCalled()
    await keeper.close()
  })

  it('says once that a folder cannot be written, and tells of the renewal when it could be', async () => {
    const disk = fullDisk(newHome())
    disk.full = false
    const [renewed, failed] = [vi.fn(), vi.fn()]
    const keeper = new IdentityKeeper(await newIdentity(), { clock, random, folders: [disk], renewed, failed })
    disk.full = true
    await keeper.renew()
    keeper.check()
    expect(renewed).not.toHaveBeenCalled()
    expect(failed).toHaveBeenCalledOnce()
    expect(isWritError(failed.mock.calls[0]?.[0], 'IDENTITY_NOT_WRITTEN')).toBe(true)
    disk.full = false
    keeper.check()
    expect(renewed).toHaveBeenCalledOnce()
    expect(readIdentity(disk.path).serial).toBe(keeper.identity.serial)
    await keeper.close()
  })

  it('does not hold up the program for a second folder that cannot be written', async () => {
    const [first, second] = [newHome(), fullDisk(newHome())]
    const [renewed, failed] = [vi.fn(), vi.fn()]
    const keeper = new IdentityKeeper(await newIdentity(), { clock, random, folders: [first, second], renewed, failed })
    await keeper.renew()
    expect(renewed).toHaveBeenCalledOnce()
    expect(failed).toHaveBeenCalledOnce()
    expect(existsSync(second.path)).toBe(false)
    await keeper.close()
  })

  it('calls a certificate expired only when its life is over, and renews it within the grace all the same', async () => {
    const identity = await newIdentity()
    const moving = new FakeClock(clock.now())
    const keep = (kept: Identity): IdentityKeeper =>
      new IdentityKeeper(kept, { clock: moving, random, folders: [newHome()], renewed: vi.fn(), failed: vi.fn() })
    const away = keep({ ...identity, server: 'https://127.0.0.1:9' })
    expect(await codeOfAsync(() => away.renew())).toBe('SERVER_UNREACHABLE')
    const short = keep({ ...identity, notAfter: identity.notBefore, server: 'https://127.0.0.1:9' })
    moving.advance(SECOND)
    expect(await codeOfAsync(() => short.renew())).toBe('IDENTITY_EXPIRED')
    const back = keep({ ...identity, notAfter: identity.notBefore })
    await back.renew()
    expect(back.identity.serial).not.toBe(identity.serial)
    await Promise.all([away.close(), short.close(), back.close()])
  })
})
