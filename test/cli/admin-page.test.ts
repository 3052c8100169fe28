import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { cook, readRecipe, type Cooked } from '../support/recipe.ts'

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))
const recipe = readRecipe('admin.md')
let cwd: string
let cooked: Cooked

async function freePort(): Promise<string> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address() as AddressInfo
  probe.close()
  await once(probe, 'close')
  return String(port)
}

beforeAll(async () => {
  cwd = mkdtempSync(join(tmpdir(), 'writ-admin-page-'))
  mkdirSync(join(cwd, 'bin'))
  const node = `'${process.execPath}' --conditions=writ-source --disable-warning=ExperimentalWarning`
  writeFileSync(join(cwd, 'bin/writ'), `#!/bin/sh\nexec ${node} '${MAIN}' "$@"\n`, { mode: 0o755 })
  const [https, status, health] = [await freePort(), await freePort(), await freePort()]
  cooked = await cook(recipe, {
    cwd,
    // The page has the default ports; here each server has its own.
    rewrite: (code) => code.replaceAll('8443', https).replaceAll('9090', health),
    env: {
      PATH: `${join(cwd, 'bin')}:${process.env['PATH'] ?? ''}`,
      WRIT_DATA: join(cwd, 'data'),
      WRIT_LISTEN_HTTPS: `127.0.0.1:${https}`,
      WRIT_LISTEN_STATUS: `127.0.0.1:${status}`,
      WRIT_LISTEN_HEALTH: `127.0.0.1:${health}`,
    },
  })
}, 240_000)
afterAll(() => {
  rmSync(cwd, { recursive: true })
})

/** What the block printed that has this text in its code. */
function printed(code: string): string {
  const at = recipe.blocks.findIndex((block) => block.code.includes(code))
  expect(at, code).toBeGreaterThan(-1)
  return cooked.printed[at] ?? ''
}

describe('docs/admin.md', () => {
  it('has no code that is not run, and all of it runs', () => {
    expect(recipe.blocks.map(({ language }) => language)).toEqual(recipe.blocks.map(() => 'sh'))
    expect({ code: cooked.code, stderr: cooked.code === 0 ? '' : cooked.stderr }).toEqual({ code: 0, stderr: '' })
    expect(cooked.printed.length).toBe(recipe.blocks.length)
  })

  it('makes a server and checks its configuration', () => {
    expect(printed('server init')).toMatch(/nothing was written[^]*made the trust domain example\.org/)
    expect(printed('writ server run')).toBe('ok\n')
  })

  it('enrolls an agent with a join token', () => {
    expect(printed('--identity ./invoice-bot')).toMatch(/enrolled as spiffe:\/\/example\.org\/agent\/invoice-bot\/i-/)
  })

  it('makes an operator of a person, who may not do what an admin may', () => {
    const said = printed('alice whoami\n')
    expect(said).toContain('spiffe://example.org/admin/alice')
    expect(said).toMatch(/NAME +OWNER[^]*invoice-bot +finance/)
    expect(said).toContain('refused, as it should be: 3')
    expect(cooked.stderr).toContain('[ROLE_REQUIRED]')
  })

  it('lets an orchestrator open tasks for the users of its list and of the agents of its list, and no others', () => {
    expect(printed('principal set')).toMatch(/set principal prn_[^]*not in the list: 3\n$/)
    expect(cooked.stderr).toContain('[TASK_AGENT_NOT_ALLOWED]')
    expect(printed('cut -d.')).toContain('"sub":"user:corp:00u1a2b3"')
  })

  it('suspends, resumes and retires, after showing what it would hit', () => {
    const said = printed('suspend invoice-bot')
    expect(said).toMatch(/would suspend invoice-bot[^]*suspended invoice-bot[^]*resumed invoice-bot/)
    expect(said).toMatch(/would retire billing[^]*retired billing/)
  })

  it('takes roles away, at the next request', () => {
    expect(printed('principal remove')).toMatch(/removed principal prn_\w+\nnobody any more: 3\n/)
  })

  it('shows the log, health and metrics', () => {
    expect(printed('audit tail')).toContain('principal.removed')
    expect(printed('/livez')).toMatch(/^ok\nok\nwrit_server_certificate_expiry_seconds /)
  })

  it('accepts a clock only after the server has stopped, and serves a public certificate', () => {
    expect(printed('clock accept')).toMatch(/would_accept[^]*accepted .* as the time/)
    expect(printed('public.pem')).toMatch(/"keys":/)
  })

  it('knows the users of an identity provider', () => {
    expect(printed('max_age: 3600')).toContain('the configuration is good')
  })

  it('knows PostgreSQL with a password from its file, and a root of the operator', () => {
    expect(printed('--database ')).toContain('postgresql://writ@db.example.org/writ')
    expect(existsSync(join(cwd, 'on-postgresql'))).toBe(false)
    expect(printed('--root-certificate')).toMatch(/mode +rooted[^]*the configuration is good/)
  })

  it('promise 11: shows no join token', () => {
    expect(cooked.printed.join('') + cooked.stderr).not.toContain('wjt_')
  })
})
