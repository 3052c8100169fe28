import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ROOT, survey, type Survey, type Violation } from './cruise.ts'
import { HARMLESS, PLANTED } from './planted.ts'
import { RULES } from './rules.ts'

describe('the rules of the house', () => {
  let house: Survey

  beforeAll(async () => {
    house = await survey(ROOT)
  })

  it('are kept by every import in src', () => {
    expect(house.violations).toEqual([])
  })

  it('were held against every file of src', () => {
    const files = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts') && !file.includes('/generated/'))
      .map((file) => `src/${file}`)
    expect([...house.modules].sort()).toEqual(files.sort())
    expect(files.length).toBeGreaterThan(20)
  })

  it('each say what to do instead', () => {
    expect(RULES.filter(({ comment }) => comment.length < 20)).toEqual([])
    expect(new Set(RULES.map(({ name }) => name)).size).toBe(RULES.length)
  })
})

describe('a house with planted violations', () => {
  const folder = mkdtempSync(join(tmpdir(), 'writ-planted-'))
  let fired: ReadonlyMap<string, readonly Violation[]>

  beforeAll(async () => {
    const files = [...Object.entries(HARMLESS), ...PLANTED.map(({ file, source }) => [file, source] as const)]
    for (const [file, source] of files) {
      mkdirSync(dirname(join(folder, file)), { recursive: true })
      writeFileSync(join(folder, file), source)
    }
    writeFileSync(
      join(folder, 'package.json'),
      JSON.stringify({ type: 'module', imports: { '#*.ts': { 'writ-source': './src/*.ts' } } }),
    )
    symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
    const { violations } = await survey(folder)
    fired = Map.groupBy(violations, ({ from }) => from)
  }, 60_000)

  afterAll(() => {
    rmSync(folder, { recursive: true })
  })

  const rulesAt = (file: string): string[] => [...new Set((fired.get(file) ?? []).map(({ rule }) => rule))].sort()

  it.each(PLANTED.map(({ file, rules }) => [file, [...rules].sort()] as const))('%s breaks %j', (file, rules) => {
    expect(rulesAt(file)).toEqual(rules)
  })

  it('has no violation that was not planted', () => {
    const planted = new Set(PLANTED.map(({ file }) => file))
    expect([...fired.keys()].filter((file) => !planted.has(file))).toEqual([])
  })

  it('proves every rule', () => {
    const proved = new Set(PLANTED.flatMap(({ rules }) => rules))
    expect(RULES.map(({ name }) => name).filter((name) => !proved.has(name))).toEqual([])
  })
})
