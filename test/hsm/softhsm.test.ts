import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { addProgram } from '../support/pages.ts'
import { run } from '../support/run.ts'

const SCRIPT = fileURLToPath(new URL('../../hsm/softhsm', import.meta.url))
let cwd: string

/** Every program that could be told a PIN leaves its arguments and its environment in `seen`. */
function watched(name: string, then: string): void {
  addProgram(cwd, name, `{ echo "${name} $*"; env; } >>'${join(cwd, 'seen')}'\n${then}`)
}

function softhsm(...args: readonly string[]) {
  const env = { PATH: `${join(cwd, 'bin')}:${process.env['PATH'] ?? ''}` }
  return run('sh', [SCRIPT, ...args], { cwd, env })
}

const pinOf = (label: string): string => readFileSync(join(cwd, `token/${label}.pin`), 'utf8').trim()

beforeAll(() => {
  cwd = mkdtempSync(join(tmpdir(), 'writ-softhsm-script-'))
  watched('node', `exec '${process.execPath}' "$@"`)
  for (const tool of ['softhsm2-util', 'pkcs11-tool']) watched(tool, 'exit 1')
  expect(softhsm('create', 'token')).toMatchObject({ status: 0, stderr: '' })
  expect(softhsm('create', 'token', 'root')).toMatchObject({ status: 0, stderr: '' })
})
afterAll(() => {
  rmSync(cwd, { recursive: true, force: true })
})

describe('hsm/softhsm', () => {
  it('makes tokens that their PINs open, and refuses a second one of the same name', () => {
    expect(softhsm('create', 'token', 'root').status).toBe(1)
    expect(softhsm('list', 'token')).toMatchObject({ status: 0, stdout: '' })
    expect(softhsm('list', 'token', 'root').status).toBe(0)
    expect(statSync(join(cwd, 'token/writ.pin')).mode & 0o777).toBe(0o600)
    expect(readFileSync(join(cwd, 'token/writ.uri'), 'utf8')).toMatch(/^pkcs11:token=writ;serial=[0-9a-f]{16}\n$/)
  })

  it('tells no PIN by an argument or by the environment', () => {
    expect(softhsm('list', 'token', 'root').status).toBe(0)
    const seen = readFileSync(join(cwd, 'seen'), 'utf8')
    expect(seen).toMatch(/^node .*token\.mjs init .* writ /m)
    expect(seen).toMatch(/^node .*token\.mjs list .* root /m)
    expect(seen).not.toMatch(/^(softhsm2-util|pkcs11-tool)/m)
    expect([pinOf('writ'), pinOf('root')].filter((pin) => pin.length !== 12 || seen.includes(pin))).toEqual([])
  })

  it('says nothing of a PIN that is wrong', () => {
    const token = fileURLToPath(new URL('../../hsm/token.mjs', import.meta.url))
    const [module = ''] = /module +(\S+)/.exec(softhsm('create', 'other').stdout)?.slice(1) ?? []
    const env = { SOFTHSM2_CONF: join(cwd, 'token/softhsm2.conf') }
    const { status, stdout, stderr } = run(
      process.execPath,
      [token, 'list', module, 'writ', join(cwd, 'other/writ.pin')],
      { env },
    )
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' })
    expect(stderr).toContain('CKR_PIN_INCORRECT')
    expect(stderr).not.toContain(readFileSync(join(cwd, 'other/writ.pin'), 'utf8').trim())
  })
})
