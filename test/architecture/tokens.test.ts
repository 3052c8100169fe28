import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { TOKEN_KINDS } from '#jwt/index.ts'

const page = readFileSync(fileURLToPath(new URL('../../docs/tokens.md', import.meta.url)), 'utf8')

describe('docs/tokens.md', () => {
  it('has every kind of token, with the typ and the key that the code has for it', () => {
    const rows = page
      .split('\n')
      .filter((line) => line.startsWith('| `'))
      .map((line) => line.split('|').map((cell) => cell.trim().replaceAll('`', '')))
      .map(([, kind, typ, key]) => ({ kind, typ, key: key === '-' ? null : key?.replace(' key', '') }))
    const kinds = Object.entries(TOKEN_KINDS).map(([kind, { typ, authority }]) => ({ kind, typ, key: authority }))
    const byKind = (left: { kind?: string | undefined }, right: { kind?: string | undefined }): number =>
      (left.kind ?? '').localeCompare(right.kind ?? '')
    expect(rows.sort(byKind)).toEqual(kinds.sort(byKind))
  })
})
