import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Background, until } from '../support/background.ts'
import { FaultInjector } from '../support/fault-injector.ts'
import { findInMemory } from '../support/memory-scan.ts'
import { IsolatedModule } from '../support/p11-kit.ts'
import { SoftHsm } from '../support/softhsm.ts'
import { exposedKeys } from '../support/softhsm-objects.ts'
import { writ } from '../support/writ.ts'

/** Until one of them was by a key on a curve. */
const MOST_SIGNATURES = 8
const SCANS = 2

describe('the memory of a server process', { timeout: 150_000 }, () => {
  let folder: string
  let hsm: SoftHsm
  let faults: FaultInjector
  let server: Background | null = null
  let isolated: IsolatedModule | null = null

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'writ-memory-'))
    hsm = new SoftHsm()
    faults = new FaultInjector()
  })
  afterEach(async () => {
    faults.heal()
    await server?.stop()
    await isolated?.remove()
    faults.remove()
    hsm.remove()
    rmSync(folder, { recursive: true })
  })

  async function start(module: string, environment: Readonly<Record<string, string>>): Promise<number> {
    const data = join(folder, 'data')
    const options = { cwd: folder, env: { ...environment, WRIT_DATA: data } }
    const keys = ['--keys', hsm.token.uri, '--pkcs11-module', module, '--pin-file', hsm.token.pinFile]
    const names = ['--trust-domain', 'example.org', '--public-url', 'https://localhost']
    const listen = ['--listen-https', '127.0.0.1:0', '--listen-status', 'off', '--listen-health', 'off']
    const made = await writ(['server', 'init', ...names, ...listen, ...keys], options)
    expect(made).toMatchObject({ code: 0 })
    const started = new Background(['server', 'run', '--json'], options)
    server = started
    await until(
      () => started.stdout.includes('"ready"'),
      () => started.stdout + started.stderr,
    )
    return started.child.pid ?? 0
  }

  /** A signature that takes its time: the key is at work in the module meanwhile. */
  async function whileSigning(look: () => number): Promise<number> {
    const before = faults.calls('C_Sign')
    faults.set('C_Sign', { delay: 1500 })
    await until(() => faults.calls('C_Sign') > before)
    return Math.max(...Array.from({ length: SCANS }, look))
  }

  /** Some signatures are by keys that are not looked for (RSA): several are watched, until one was by a key that is. */
  async function overSignatures(look: () => number, isSeen: () => boolean): Promise<void> {
    for (let round = 0; round < MOST_SIGNATURES && !isSeen(); round++) await whileSigning(look)
  }

  it('holds the key while it signs, when the module is inside of it: the exception, and what shows that the scan sees', async () => {
    const pid = await start(faults.module, { ...hsm.environment, ...faults.environment })
    const scalars = exposedKeys(hsm).map(({ scalar }) => scalar)
    expect(scalars.length).toBeGreaterThanOrEqual(3)
    let seen = 0
    const look = () => (seen = Math.max(seen, findInMemory(pid, scalars)))
    await overSignatures(look, () => seen > 0)
    expect(seen).toBeGreaterThan(0)
  })

  it('promise 7 holds no private key of a module that is isolated by p11-kit, not even while it signs', async () => {
    isolated = new IsolatedModule(faults.module, { ...hsm.environment, ...faults.environment })
    await isolated.start()
    const pid = await start(isolated.module, isolated.environment)
    const scalars = exposedKeys(hsm).map(({ scalar }) => scalar)
    expect(scalars.length).toBeGreaterThanOrEqual(3)
    const [inServer, inModule] = [new Set<number>(), new Set<number>()]
    const look = (): number => {
      inServer.add(findInMemory(pid, scalars))
      for (const other of isolated?.processes() ?? []) inModule.add(findInMemory(other, scalars))
      return 0
    }
    await overSignatures(look, () => Math.max(...inModule) > 0)
    expect(inServer).toEqual(new Set([0]))
    expect(Math.max(...inModule)).toBeGreaterThan(0)
  })
})
