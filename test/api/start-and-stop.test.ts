import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { createServer } from 'node:net'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { JsonLog } from '#adapters/log/index.ts'
import { initServer, loadConfig, startServer, type ConfigFile } from '#server/index.ts'
import { codeOfAsync } from '../support/code-of.ts'
import { TestHouse } from '../support/server.ts'

const QUIET = new JsonLog({ level: 'silent' })
const OFF = '127.0.0.1:0'
const VALUES: ConfigFile = {
  trust_domain: 'example.org',
  public_url: 'https://id.example.org',
  listen: { https: OFF, status: null, health: null },
}
const admin = { uid: process.getuid?.() ?? 0, name: 'admin' }
const folder = (): string => join(mkdtempSync(join(tmpdir(), 'writ-')), 'data')

describe('server init', () => {
  it('makes a folder that is closed to others, with everything in it', async () => {
    const data = folder()
    const made = await initServer({ data, values: VALUES, admin })
    expect(statSync(data).mode & 0o777).toBe(0o700)
    expect(statSync(join(data, 'writ.yaml')).mode & 0o777).toBe(0o600)
    expect(readFileSync(join(data, 'writ.yaml'), 'utf8')).toContain('trust_domain: example.org')
    expect(made.admin).toMatchObject({ subject: `local:${String(admin.uid)}`, roles: ['admin'] })
    expect(JSON.parse(made.bundle)).toHaveProperty('keys')
  })

  it('does not touch a server that is there', async () => {
    const data = folder()
    await initServer({ data, values: VALUES, admin })
    expect(await codeOfAsync(() => initServer({ data, values: VALUES, admin }))).toBe('SERVER_INITIALIZED')
  })

  it('writes nothing when the configuration is wrong', async () => {
    const data = folder()
    const values = { ...VALUES, public_url: 'http://id.example.org' }
    expect(await codeOfAsync(() => initServer({ data, values, admin }))).toBe('CONFIG_VALUE_INVALID')
    expect(() => statSync(data)).toThrow()
  })

  it('can be repeated when it was cut off before the end', async () => {
    const data = folder()
    await initServer({ data, values: VALUES, admin })
    rmSync(join(data, 'writ.yaml'))
    const again = await initServer({ data, values: VALUES, admin })
    expect(again.admin).toBeNull()
  })

  it('makes a rooted trust domain as well', async () => {
    const data = folder()
    await initServer({ data, values: { ...VALUES, mode: 'rooted' }, admin })
    const server = await startServer(loadConfig({ data, environment: {} }), QUIET)
    await server.stop()
  })
})

describe('a server', () => {
  it('does not start in a folder that others can look into', async () => {
    const data = folder()
    await initServer({ data, values: VALUES, admin })
    chmodSync(data, 0o755)
    const config = loadConfig({ data, environment: {} })
    expect(await codeOfAsync(() => startServer(config, QUIET))).toBe('DATA_FOLDER_EXPOSED')
  })

  it('says which address is taken, and leaves nothing open behind it', async () => {
    const data = folder()
    const taken = createServer().listen(0, '127.0.0.1')
    await once(taken, 'listening')
    const { port } = taken.address() as { port: number }
    const listen = { https: OFF, status: null, health: `127.0.0.1:${String(port)}` }
    await initServer({ data, values: { ...VALUES, listen }, admin })
    const config = loadConfig({ data, environment: {} })
    expect(await codeOfAsync(() => startServer(config, QUIET))).toBe('ADDRESS_IN_USE')
    taken.close()
    await once(taken, 'close')
    const server = await startServer(config, QUIET)
    await server.stop()
  })

  it('does not run twice on one folder', async () => {
    const house = await TestHouse.start()
    const config = loadConfig({ data: house.data, environment: {} })
    expect(await codeOfAsync(() => startServer(config, QUIET))).toMatch(/STORE_REPLICA_TAKEN|ADMIN_SOCKET_IN_USE/)
    expect((await house.ask('/v1/whoami')).status).toBe(200)
    await house.stop()
  })

  it('starts again with what it had, and lets a certificate from before in', async () => {
    const data = folder()
    await initServer({ data, values: VALUES, admin })
    const config = loadConfig({ data, environment: {} })
    for (let round = 0; round < 2; round++) {
      const server = await startServer(config, QUIET)
      await server.stop()
    }
  })

  it('finishes a request that is at work when it stops', async () => {
    const house = await TestHouse.start()
    await house.register('invoice-bot')
    const asked = Array.from({ length: 10 }, () => house.enroll('invoice-bot'))
    await new Promise((resolve) => setTimeout(resolve, 100))
    const [, ...results] = await Promise.all([
      house.server.stop(),
      ...asked.map((one) =>
        one.then(
          () => 'done',
          () => 'refused',
        ),
      ),
    ])
    expect(results).toHaveLength(10)
    expect(house.logged.join('')).toContain('server.stopped')
    expect(house.logged.join('')).not.toContain('INTERNAL_ERROR')
  })

  it('stops in order at SIGTERM, and is gone from its socket', async () => {
    const data = folder()
    await initServer({ data, values: VALUES, admin })
    const script = `
      const { loadConfig, runServer } = await import('#server/index.ts')
      await runServer(loadConfig({ data: ${JSON.stringify(data)}, environment: {} }), () => process.send('up'))
      process.disconnect()`
    const child = spawn(process.execPath, ['--conditions=writ-source', '--input-type=module', '-e', script], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    })
    await once(child, 'message')
    expect(statSync(join(data, 'admin.sock')).isSocket()).toBe(true)
    child.kill('SIGTERM')
    expect(await once(child, 'exit')).toEqual([0, null])
    expect(() => statSync(join(data, 'admin.sock'))).toThrow()
  })
})
