import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { addProgram } from '../support/pages.ts'
import { cook, readRecipe, type Cooked } from '../support/recipe.ts'

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))
const recipe = readRecipe('approvals.md')
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
  cwd = mkdtempSync(join(tmpdir(), 'writ-approvals-page-'))
  const node = `'${process.execPath}' --conditions=writ-source --disable-warning=ExperimentalWarning`
  addProgram(cwd, 'writ', `exec ${node} '${MAIN}' "$@"`)
  const [https, health] = [await freePort(), await freePort()]
  cooked = await cook(recipe, {
    cwd,
    // The page has the default ports; here each server has its own.
    rewrite: (code) => code.replaceAll('localhost:8443', `localhost:${https}`).replaceAll('9090', health),
    env: {
      PATH: `${join(cwd, 'bin')}:${process.env['PATH'] ?? ''}`,
      WRIT_DATA: join(cwd, 'data'),
      WRIT_LISTEN_HTTPS: `127.0.0.1:${https}`,
      WRIT_LISTEN_STATUS: 'off',
      WRIT_LISTEN_HEALTH: `127.0.0.1:${health}`,
    },
  })
}, 240_000)
afterAll(() => {
  rmSync(cwd, { recursive: true })
})

describe('docs/approvals.md', () => {
  it('has no code that is not run, and all of it runs', () => {
    expect(recipe.blocks.map(({ language }) => language)).toEqual(recipe.blocks.map(() => 'sh'))
    expect(cooked.code, cooked.stderr).toBe(0)
    expect(cooked.printed.length).toBe(recipe.blocks.length)
  })

  it('says what it says on the page', () => {
    const said = cooked.printed.join('')
    expect(said).toContain('nothing was done: 6')
    expect(said).toMatch(/1 instance, 1 certificate[^]*owners: finance \(1\)/)
    expect(said).toContain('revoked agent invoice-bot')
    expect(said).toContain('once is once: 3')
    expect(said).toContain('in a minute: 6')
    expect(said).toContain('not yet: 3')
    expect(said).toContain('suspended report-bot')
    expect(said).toMatch(/approval\.requested[^]*approval\.approved[^]*approval\.break_glass[^]*approval\.denied/)
    expect(cooked.stderr).toContain('[APPROVAL_USED]')
    expect(cooked.stderr).toContain('[APPROVAL_DELAYED]')
  })
})
