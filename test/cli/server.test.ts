import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { writ, type Ran } from '../support/writ.ts'

const folders: string[] = []

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'writ-init-'))
  folders.push(folder)
  return folder
}

afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true })
})

const INIT = ['server', 'init', '--trust-domain', 'example.org', '--public-url', 'https://localhost:8443']

function run(cwd: string, ...args: readonly string[]): Promise<Ran> {
  return writ(args, { cwd, env: { WRIT_DATA: join(cwd, 'data') } })
}

describe('writ server', () => {
  it('init makes a folder that only its user can read, and not a second time', async () => {
    const cwd = newFolder()
    expect(await run(cwd, ...INIT)).toMatchObject({ code: 0, stderr: '' })
    expect(statSync(join(cwd, 'data')).mode & 0o777).toBe(0o700)
    expect(statSync(join(cwd, 'data/writ.db')).mode & 0o777).toBe(0o600)
    const again = await run(cwd, ...INIT)
    expect(again.code).toBe(3)
    expect(again.stderr).toContain('[SERVER_INITIALIZED]')
    expect(await run(cwd, 'server', 'check-config')).toMatchObject({ code: 0 })
  })

  it('init --dry-run checks everything and writes nothing', async () => {
    const cwd = newFolder()
    const { stdout } = await run(cwd, ...INIT, '--dry-run')
    expect(stdout).toContain('nothing was written')
    // Certificates name the listener: nobody else reaches this machine.
    expect(stdout).toContain('http://localhost:8080')
    expect(existsSync(join(cwd, 'data'))).toBe(false)
    const bad = await run(
      cwd,
      'server',
      'init',
      '--trust-domain',
      'Example.org',
      '--public-url',
      'https://x',
      '--dry-run',
    )
    expect(bad.stderr).toContain('[CONFIG_VALUE_INVALID]')
  })

  it('init makes a rooted trust domain under a generated root', async () => {
    const cwd = newFolder()
    expect(await run(cwd, ...INIT, '--mode', 'rooted')).toMatchObject({ code: 0, stderr: '' })
  })

  it('check-config names the nearest known key for an unknown one', async () => {
    const cwd = newFolder()
    await run(cwd, ...INIT)
    writeFileSync(join(cwd, 'data/writ.yaml'), 'trust_domian: example.org\npublic_url: https://localhost:8443\n')
    const done = await run(cwd, 'server', 'check-config')
    expect(done.code).not.toBe(0)
    expect(done.stderr).toContain('trust_domain')
  })

  it('run says how to begin when there is no server yet', async () => {
    const done = await run(newFolder(), 'server', 'run')
    expect(done.code).not.toBe(0)
    expect(done.stderr).toContain('[CONFIG_NOT_FOUND]')
  })
})
