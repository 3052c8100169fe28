import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { testTitles, titlesOf } from './titles.ts'

/** Every numbered requirement that there has to be a test for: first to last of each series. */
const SERIES: readonly (readonly [series: string, first: number, last: number])[] = [
  ['ID-', 1, 10],
  ['X-', 1, 16],
  ['J-', 1, 13],
  ['B-', 1, 9],
  ['C', 1, 20],
  ['TE-', 1, 12],
  ['AT-', 1, 6],
  ['MT-', 1, 6],
  ['RAR-', 1, 4],
  ['RI-', 1, 1],
  ['IN-', 1, 3],
  ['RV-', 1, 2],
  ['MD-', 1, 1],
  ['DP-', 1, 5],
  ['CN-', 1, 1],
  ['SP-', 1, 5],
  ['WI-', 1, 5],
  ['W-', 1, 10],
  ['R', 1, 13],
  ['PR-', 1, 1],
  ['O', 1, 14],
  ['SL-', 1, 5],
  ['SS-', 1, 7],
  ['promise ', 1, 14],
]

/** Rows that cannot have a test yet, and why. Whoever builds what is missing takes the row out of here. */
const NOT_YET: Readonly<Record<string, string>> = {}

const rows = SERIES.flatMap(([series, first, last]) =>
  Array.from({ length: last - first + 1 }, (_, index) => `${series}${String(first + index)}`),
)

/** Whether a title names the row: `X-1` is not named by `X-12`, and `C1` not by `AC1`. */
function names(title: string, row: string): boolean {
  return new RegExp(`(?<![\\w-])${row}(?![\\w-])`).test(title)
}

describe('the rows of the reference', () => {
  const titles = testTitles()

  it.each(rows.filter((row) => !(row in NOT_YET)))('%s has a test that is named after it', (row) => {
    expect(titles.filter((title) => names(title, row)).length).toBeGreaterThan(0)
  })

  it('are left out only as long as nothing proves them', () => {
    expect(Object.keys(NOT_YET).filter((row) => !rows.includes(row))).toEqual([])
    expect(Object.keys(NOT_YET).filter((row) => titles.some((title) => names(title, row)))).toEqual([])
  })
})

describe('the titles of tests', () => {
  it('are read from calls and from tables, in place or by name, and from nothing else', () => {
    const text = `
      // it('C3 a comment')
      const TABLE = [['C4 a', 1]]
      const other = 'C5 a constant'
      describe('C6 outer', () => { it("C7 inner", () => expect('C8 body')) })
      it.each([['C9 row', 2]])('%s', () => {})
      it.each(TABLE.map(([what]) => what))('%s', () => {})
      it.skip('C10 skipped', () => {})
      describe.skipIf(true)('C11 skipped', () => {})
      it.each(['x'])(\`C12 \${1} and \${'x'}\`, () => {})`
    const found = titlesOf(text).filter((title) => title.startsWith('C'))
    expect(found).toEqual(['C6 outer', 'C7 inner', 'C9 row', 'C4 a'])
  })

  it('name a row by its whole number', () => {
    expect(names('X-12 is verified', 'X-1')).toBe(false)
    expect(names('X-1 refuses', 'X-1')).toBe(true)
    expect(names('TE-4 TE-5 refuses', 'TE-5')).toBe(true)
    expect(names('AC1', 'C1')).toBe(false)
  })
})

describe.each(['docs/promises.md', 'docs/threat-model.md'])('%s', (page) => {
  const root = join(import.meta.dirname, '../..')
  const text = readFileSync(join(root, page), 'utf8')

  it('cites tests that exist', () => {
    const cited = [...text.matchAll(/`(test\/[^`]+\.test\.ts)`(?: "([^"]+)")?/g)]
    expect(cited.length).toBeGreaterThan(30)
    for (const [, file = '', title = ''] of cited) {
      expect(readFileSync(join(root, file), 'utf8'), `${file} ${title}`).toContain(title)
    }
  })
})

describe('docs/threat-model.md', () => {
  const text = readFileSync(join(import.meta.dirname, '../../docs/threat-model.md'), 'utf8')
  const boundaries = text.split(/^## /m).slice(1)

  it('says at each boundary what is stopped, by which test, and what is not', () => {
    expect(boundaries.length).toBeGreaterThanOrEqual(9)
    for (const boundary of boundaries) {
      expect(boundary).toMatch(/^- \*\*/m)
      expect(boundary).toMatch(/^Not stopped: /m)
    }
  })

  it('shows every attack by a test', () => {
    const attacks = boundaries.flatMap((boundary) => boundary.split(/^- (?=\*\*)/m).slice(1))
    expect(attacks.filter((attack) => !/^ {2}- `test\//m.test(attack))).toEqual([])
  })
})
