import { chmodSync, writeFileSync } from 'node:fs'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Pkcs11Keys, Pkcs11Options } from '#adapters/keys/pkcs11/index.ts'
import { utf8 } from '#kernel/bytes.ts'
import type { Signer } from '#kernel/signer.ts'
import { codeOf, codeOfAsync } from '../support/code-of.ts'
import { CKR, FaultInjector } from '../support/fault-injector.ts'
import { isRight, Observed, openKeys, SigningLoad, untilSigned } from '../support/pkcs11-keys.ts'
import { SoftHsm } from '../support/softhsm.ts'

const MESSAGE = utf8('to be signed')

describe('keys in a token in which things go wrong', () => {
  let faults: FaultInjector
  let hsm: SoftHsm
  let keys: Pkcs11Keys
  let observed: Observed

  const open = (options: Partial<Pkcs11Options> = {}): Pkcs11Keys => {
    observed = new Observed()
    keys = openKeys(hsm, { module: faults.module, observer: observed, ...options })
    return keys
  }
  const newKey = async (name = 'first'): Promise<Signer> => (await keys.generate(name, 'ES256')).signer

  beforeAll(() => {
    faults = new FaultInjector().use()
  })
  afterAll(() => {
    faults.remove()
  })
  beforeEach(() => {
    hsm = new SoftHsm().use()
    faults.forget()
    open()
  })
  afterEach(async () => {
    faults.heal()
    await keys.close()
    hsm.remove()
  })

  describe('PIN', () => {
    it('that is wrong is tried once, and again only when its file has changed', async () => {
      writeFileSync(hsm.token.pinFile, '000000\n')
      for (let attempt = 0; attempt < 3; attempt++) {
        expect(await codeOfAsync(() => newKey())).toBe('KEY_PIN_REFUSED')
      }
      expect(faults.calls('C_Login')).toBe(1)
      writeFileSync(hsm.token.pinFile, `${hsm.token.pin}\n`)
      const signer = await newKey()
      expect(isRight(signer, MESSAGE, await signer.sign(MESSAGE))).toBe(true)
    })

    it('that became wrong is tried once by all attempts at recovery together', async () => {
      const signer = await newKey()
      writeFileSync(hsm.token.pinFile, '000000\n')
      hsm.pull()
      expect(await codeOfAsync(() => signer.sign(MESSAGE))).toBe('KEY_UNAVAILABLE')
      faults.forget()
      hsm.putBack()
      await new Promise((resolve) => setTimeout(resolve, 3000))
      expect(await codeOfAsync(() => signer.sign(MESSAGE))).toBe('KEY_UNAVAILABLE')
      expect(faults.calls('C_Login')).toBeLessThanOrEqual(1)
      writeFileSync(hsm.token.pinFile, `${hsm.token.pin}\n`)
      expect(await untilSigned(signer)).toBeLessThan(5000)
    })

    it('is read from a file that nobody else may read, and nowhere else', async () => {
      writeFileSync(hsm.token.pinFile, hsm.token.pin)
      await keys.close()
      chmodSync(hsm.token.pinFile, 0o640)
      expect(await codeOfAsync(() => open().connect())).toBe('KEY_PIN_UNREADABLE')
      expect(faults.calls('C_Login')).toBe(0)
      // A manager of services lets the group read what it places.
      const pin = { path: hsm.token.pinFile, kind: 'credential' } as const
      await keys.close()
      expect(await codeOfAsync(() => open({ pin }).connect())).toBe('ACCEPTED')
    })
  })

  describe('call', () => {
    it.each(Object.entries(CKR))('that fails once with %s is made again', async (_name, value) => {
      const signer = await newKey()
      for (const name of ['C_Sign', 'C_SignInit'] as const) {
        faults.set(name, { value, times: 1 })
        expect(isRight(signer, MESSAGE, await signer.sign(MESSAGE))).toBe(true)
      }
      expect(observed.recoveries).toContain('session helped')
      expect(observed.states).toEqual(['up'])
    })

    it('that fails for one session needs a new login, and is made again', async () => {
      const signer = await newKey()
      // The session and the one after it: the thread gives up, the ladder begins.
      faults.set('C_SignInit', { value: CKR.USER_NOT_LOGGED_IN, times: 2 })
      expect(isRight(signer, MESSAGE, await signer.sign(MESSAGE))).toBe(true)
      expect(observed.recoveries).toContain('login helped')
    })

    it('that fails until the module is initialized anew is made again', async () => {
      const signer = await newKey()
      const before = faults.calls('C_Initialize')
      // Twice in the thread, once after the login.
      faults.set('C_SignInit', { value: CKR.DEVICE_ERROR, times: 3 })
      expect(isRight(signer, MESSAGE, await signer.sign(MESSAGE))).toBe(true)
      expect(observed.recoveries).toContain('rebuild helped')
      expect(faults.calls('C_Initialize')).toBe(before + 1)
    })

    it('that goes on failing opens the breaker, which refuses at once and closes by itself', async () => {
      const signer = await newKey()
      faults.goneWith(CKR.DEVICE_REMOVED)
      expect(await codeOfAsync(() => signer.sign(MESSAGE))).toBe('KEY_UNAVAILABLE')
      const begun = performance.now()
      expect(await codeOfAsync(() => signer.sign(MESSAGE))).toBe('KEY_UNAVAILABLE')
      expect(await codeOfAsync(() => newKey('second'))).toBe('KEY_UNAVAILABLE')
      expect(performance.now() - begun).toBeLessThan(100)
      expect(() => {
        keys.check()
      }).toThrow()
      expect(observed.states.at(-1)).toMatch(/^down CKR_DEVICE_REMOVED/)
      faults.heal()
      expect(await untilSigned(signer)).toBeLessThan(5000)
      keys.check()
    })

    it('that hangs is given up on, and nothing waits for it', async () => {
      await keys.close()
      open({ limit: 400 })
      const signer = await newKey()
      faults.set('C_Sign', { delay: 2500 })
      const begun = performance.now()
      const codes = await Promise.all(Array.from({ length: 8 }, () => codeOfAsync(() => signer.sign(MESSAGE))))
      expect(new Set(codes)).toEqual(new Set(['KEY_UNAVAILABLE']))
      expect(performance.now() - begun).toBeLessThan(2400)
      faults.heal()
      expect(await untilSigned(signer)).toBeLessThan(5000)
    })

    it('that is slow is made by as many threads as there are, at the same time', async () => {
      await keys.close()
      open({ workers: 4 })
      const signer = await newKey()
      faults.set('C_Sign', { delay: 20 })
      const many = () => Promise.all(Array.from({ length: 20 }, () => signer.sign(MESSAGE)))
      // Threads take a moment to start.
      await expect.poll(async () => (await many(), faults.mostAtWork('C_Sign')), { timeout: 10_000 }).toBe(4)
      const begun = performance.now()
      await many()
      expect(performance.now() - begun).toBeLessThan(20 * 20)
    })
  })

  describe('signature', () => {
    it('that is wrong never leaves', async () => {
      const signer = await newKey()
      faults.lie()
      const codes = await Promise.all(Array.from({ length: 8 }, () => codeOfAsync(() => signer.sign(MESSAGE))))
      expect(new Set(codes)).toEqual(new Set(['KEY_UNAVAILABLE']))
      expect(observed.outcomes).toContain('wrong')
      faults.heal()
      expect(await untilSigned(signer)).toBeLessThan(5000)
    })

    it('is only of a key that makes right ones: one that does not is not opened', async () => {
      const { reference } = await keys.generate('first', 'ES256')
      await keys.close()
      open()
      faults.lie()
      expect(await codeOfAsync(() => keys.open(reference))).toBe('KEY_MISMATCH')
    })
  })

  it('a token that is pulled out and put back under load is in use again by itself, and nothing wrong has left', async () => {
    const signer = await newKey()
    const load = new SigningLoad(signer)
    await expect.poll(() => load.right).toBeGreaterThan(3)
    hsm.pull()
    await new Promise((resolve) => setTimeout(resolve, 1500))
    hsm.putBack()
    const back = performance.now()
    const took = await untilSigned(signer)
    await load.stop()
    expect(took).toBeLessThan(5000)
    expect(load.lastRight).toBeGreaterThan(back)
    expect(load.wrong).toBe(0)
    expect([...load.refused.keys()]).toEqual(['KEY_UNAVAILABLE'])
  })

  it('a key that was deleted fails alone: the others of its token go on', async () => {
    const [gone, kept] = [await newKey('gone'), await newKey('kept')]
    hsm.tool('--delete-object', '--type', 'privkey', '--label', 'gone')
    expect(await codeOfAsync(() => gone.sign(MESSAGE))).toBe('KEY_UNAVAILABLE')
    expect(isRight(kept, MESSAGE, await kept.sign(MESSAGE))).toBe(true)
    expect(() => {
      keys.check()
    }).toThrow()
  })

  it('a token that nobody asks is found out of order all the same', async () => {
    await newKey()
    hsm.pull()
    await expect
      .poll(
        () =>
          codeOf(() => {
            keys.check()
          }),
        { timeout: 9000 },
      )
      .toBe('KEY_UNAVAILABLE')
  })
})
