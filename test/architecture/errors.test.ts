import { describe, expect, it } from 'vitest'
import { errorTables, renderErrors, writtenErrors } from '../../scripts/docs/errors.ts'
import { ROOT } from './cruise.ts'

const JOINED = `${ROOT}/src/flows/errors.ts`

/** What a story can fail with; the failures of adapters, surfaces, libraries and commands stay with them. */
const STORIES = /^(?!adapters|api|cli|server|node|client|receiver)/

describe('the tables of failures', async () => {
  const tables = await errorTables()
  const all = tables.flatMap(({ home, codes }) =>
    Object.entries(codes).map(([code, sentence]) => ({ home, code, sentence })),
  )

  it('name each code once in the whole house', () => {
    const homes = Map.groupBy(all, ({ code }) => code)
    expect([...homes.values()].filter((entries) => entries.length > 1)).toEqual([])
    expect(all.length).toBeGreaterThan(20)
  })

  it('write codes in UPPER_SNAKE and one whole sentence for each', () => {
    const wrong = all.filter(
      ({ code, sentence }) => !/^[A-Z][A-Z0-9]*(_[A-Z0-9]+)*$/.test(code) || !/^[A-Z].*\.$/.test(sentence),
    )
    expect(wrong).toEqual([])
  })

  it('are joined in src/flows/errors.ts', async () => {
    const { ERRORS } = (await import(/* @vite-ignore */ JOINED)) as { ERRORS: Readonly<Record<string, string>> }
    const stories = all.filter(({ home }) => STORIES.test(home))
    expect(Object.fromEntries(stories.map(({ code, sentence }) => [code, sentence]))).toEqual(ERRORS)
  })

  it('are what docs/errors.md says', () => {
    expect(writtenErrors()).toBe(renderErrors(tables))
  })
})
