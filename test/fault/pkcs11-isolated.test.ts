import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { utf8 } from '#kernel/bytes.ts'
import { codeOfAsync } from '../support/code-of.ts'
import { FaultInjector } from '../support/fault-injector.ts'
import { IsolatedModule } from '../support/p11-kit.ts'
import { isRight, openKeys, SigningLoad, untilSigned } from '../support/pkcs11-keys.ts'
import { SoftHsm } from '../support/softhsm.ts'

const MESSAGE = utf8('to be signed')

describe('keys of a module in a process of its own', () => {
  let hsm: SoftHsm
  let faults: FaultInjector
  let isolated: IsolatedModule

  beforeAll(async () => {
    hsm = new SoftHsm()
    faults = new FaultInjector()
    isolated = new IsolatedModule(faults.module, { ...hsm.environment, ...faults.environment })
    Object.assign(process.env, isolated.environment)
    await isolated.start()
  })
  afterAll(async () => {
    await isolated.remove()
    faults.remove()
    hsm.remove()
  })

  it('outlive its being killed under load, and are in use again when it is', async () => {
    const keys = openKeys(hsm, { module: isolated.module })
    const { signer } = await keys.generate('killed', 'ES256')
    const load = new SigningLoad(signer)
    await expect.poll(() => load.right).toBeGreaterThan(3)
    await isolated.kill()
    await new Promise((resolve) => setTimeout(resolve, 1000))
    expect(await codeOfAsync(() => signer.sign(MESSAGE))).toBe('KEY_UNAVAILABLE')
    await isolated.start()
    expect(await untilSigned(signer)).toBeLessThan(5000)
    await load.stop()
    expect(load.wrong).toBe(0)
    expect([...load.refused.keys()]).toEqual(['KEY_UNAVAILABLE'])
    await keys.close()
  })

  it('outlive a crash inside of a signature', async () => {
    const keys = openKeys(hsm, { module: isolated.module })
    const { signer } = await keys.generate('crashed', 'ES256')
    faults.set('C_Sign', { abort: true })
    expect(await codeOfAsync(() => signer.sign(MESSAGE))).toBe('KEY_UNAVAILABLE')
    faults.heal()
    expect(await untilSigned(signer)).toBeLessThan(5000)
    expect(isRight(signer, MESSAGE, await signer.sign(MESSAGE))).toBe(true)
    await keys.close()
  })
})
