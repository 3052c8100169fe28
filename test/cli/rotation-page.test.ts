import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Background, until } from '../support/background.ts'
import { serverFor } from '../support/pages.ts'
import { cook, readRecipe, type Cooked } from '../support/recipe.ts'

const recipe = readRecipe('rotation.md')
let cwd: string
let cooked: Cooked
let server: Background

beforeAll(async () => {
  cwd = mkdtempSync(join(tmpdir(), 'writ-rotation-page-'))
  const kitchen = await serverFor(cwd)
  server = new Background(['server', 'run'], { cwd, env: { ...kitchen.env } })
  await until(
    () => server.stdout.includes('ready'),
    () => server.stderr,
  )
  cooked = await cook(recipe, { cwd, env: kitchen.env, rewrite: kitchen.ports })
}, 240_000)
afterAll(async () => {
  await server.stop()
  rmSync(cwd, { recursive: true })
})

/** What the nth block printed that has this text in its code. */
function printed(code: string, nth = 0): string {
  const blocks = recipe.blocks.map((block, index) => ({ ...block, index }))
  const at = blocks.filter((block) => block.code.includes(code))[nth]?.index
  expect(at, code).toBeDefined()
  return cooked.printed[at ?? -1] ?? ''
}

describe('docs/rotation.md', () => {
  it('has no code that is not run, and all of it runs', () => {
    expect(recipe.blocks.map(({ language }) => language)).toEqual(recipe.blocks.map(() => 'sh'))
    expect({ code: cooked.code, stderr: cooked.code === 0 ? '' : cooked.stderr }).toEqual({ code: 0, stderr: '' })
    expect(cooked.printed).toHaveLength(recipe.blocks.length)
  })

  it('shows how far each authority is', () => {
    expect(printed('writ ca status')).toMatch(/KIND +ALGORITHM +STATE[^]*x509 +ES256 +active[^]*checkpoint/)
    const rows = JSON.parse(readFileSync(join(cwd, 'authorities.json'), 'utf8')) as readonly { readonly due: unknown }[]
    expect(rows.every(({ due }) => due !== undefined)).toBe(true)
  })

  it('rotates, goes back and forth, and says what was done before', () => {
    expect(printed('--kind x509 ')).toMatch(/nothing was changed[^]*the gate is closed: not everybody can know it yet/)
    expect(printed('rehearsal')).toMatch(/changed:[^]*retiring[^]*active/)
    expect(printed('writ ca rollback')).toMatch(/published[^]*active[^]*retiring[^]*active/)
    expect(printed('writ ca activate "$next"\n')).toContain('this was done before; nothing changed')
  })

  it('taints the authority that signs, and then makes it a compromised one', () => {
    expect(printed('--within 15m')).toMatch(/concerns 0 identities[^]*tainted[^]*active/)
    expect(printed('--compromised')).toContain('everything that it signed is revoked')
  })
})
