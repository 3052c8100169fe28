import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { addProgram } from '../support/pages.ts'
import { cook, readRecipe, type Cooked } from '../support/recipe.ts'

const at = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url))
const recipe = readRecipe('hsm.md')
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
  cwd = mkdtempSync(join(tmpdir(), 'writ-hsm-page-'))
  const node = `'${process.execPath}' --conditions=writ-source --disable-warning=ExperimentalWarning`
  addProgram(cwd, 'writ', `exec ${node} '${at('src/cli/main.ts')}' "$@"`)
  const [https, health] = [await freePort(), await freePort()]
  cooked = await cook(recipe, {
    cwd,
    // The page is followed in a clone, with the default ports.
    rewrite: (code) =>
      code.replaceAll('hsm/softhsm', at('hsm/softhsm')).replaceAll('8443', https).replaceAll('9090', health),
    env: {
      PATH: `${join(cwd, 'bin')}:${process.env['PATH'] ?? ''}`,
      WRIT_DATA: join(cwd, 'data'),
      WRIT_LISTEN_HTTPS: `127.0.0.1:${https}`,
      WRIT_LISTEN_STATUS: 'off',
      WRIT_LISTEN_HEALTH: `127.0.0.1:${health}`,
    },
  })
}, 120_000)
afterAll(() => {
  rmSync(cwd, { recursive: true, force: true })
})

describe('docs/hsm.md', () => {
  it('runs as it is written', () => {
    expect({ code: cooked.code, stderr: cooked.code === 0 ? '' : cooked.stderr }).toEqual({ code: 0, stderr: '' })
    expect(cooked.printed.length).toBe(recipe.blocks.length)
  })

  it('makes a server whose keys are in a token, and names the token', () => {
    expect(cooked.printed[0]).toMatch(/keys +pkcs11:token=writ/)
    expect(cooked.printed[0]).toMatch(/token_hsm +writ \(SoftHSM project, SoftHSM v2, [0-9a-f]{16}\)/)
    expect(cooked.printed[1]).toBe('ok\n')
  })

  it('issues nothing while the token is away, and again when it is back', () => {
    expect(cooked.printed[2]).toBe('KEY_UNAVAILABLE\nok\nok\nwrit_key_token_up{token="hsm"} 1\n')
  })
})
