import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { cook, readRecipe, type Cooked } from '../support/recipe.ts'

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))
const HSM = fileURLToPath(new URL('../../hsm', import.meta.url))
const recipe = readRecipe('ceremony.md')
let cwd: string
let cooked: Cooked

beforeAll(async () => {
  cwd = mkdtempSync(join(tmpdir(), 'writ-ceremony-page-'))
  mkdirSync(join(cwd, 'bin'))
  symlinkSync(HSM, join(cwd, 'hsm'))
  const node = `'${process.execPath}' --conditions=writ-source --disable-warning=ExperimentalWarning`
  writeFileSync(join(cwd, 'bin/writ'), `#!/bin/sh\nexec ${node} '${MAIN}' "$@"\n`, { mode: 0o755 })
  const PATH = `${join(cwd, 'bin')}:${process.env['PATH'] ?? ''}`
  cooked = await cook(recipe, { cwd, env: { PATH, WRIT_DATA: join(cwd, 'data') } })
}, 120_000)
afterAll(() => {
  rmSync(cwd, { recursive: true })
})

/** What the block printed that has this text in its code. */
function printed(code: string): string {
  const at = recipe.blocks.findIndex((block) => block.code.includes(code))
  expect(at, code).toBeGreaterThan(-1)
  return cooked.printed[at] ?? ''
}

describe('docs/ceremony.md', () => {
  it('has no code that is not run, and all of it runs', () => {
    expect(recipe.blocks.map(({ language }) => language)).toEqual(recipe.blocks.map(() => 'sh'))
    expect({ code: cooked.code, stderr: cooked.code === 0 ? '' : cooked.stderr }).toEqual({ code: 0, stderr: '' })
    expect(cooked.printed.length).toBe(recipe.blocks.length)
  })

  it('shows what its words promise', () => {
    expect(printed('writ server run')).toContain('as it should be')
    expect(printed('--dry-run')).toContain('nothing was done')
    expect(printed('ceremony verify')).toMatch(/"extractable":false[^]*active\.pem: OK/)
    expect(printed('ca status --offline')).toMatch(/x509-root +ES384 +active [^]*12 more until 20/)
    expect(printed('ca status --offline --json')).toMatch(
      /"made_by":"ceremony","number":1,[^]*"ahead":12,"overdue":false/,
    )
    expect(printed('ca prepare --offline')).toContain('made a key')
  })
})
