import { describe, expect, it } from 'vitest'
import { reachOf, readTree } from '../../scripts/lint/lint.ts'

const FILES: Readonly<Record<string, string>> = {
  'src/kernel/bytes.ts': 'export type Bytes = Uint8Array',
  'src/kernel/digest.ts': "import type { Bytes } from './bytes.ts'",
  'src/jwt/jwk.ts': "import { sha256 } from '#kernel/digest.ts'",
  'test/unit/jwk.test.ts': 'const { jwk } = await import(`../../src/jwt/jwk.ts`)',
  'src/x509/ring.ts': "import '#x509/other.ts'",
  'src/x509/other.ts': "import './ring.ts'",
}

/** The files that are read again when these texts have changed. */
function readAgain(changes: Readonly<Record<string, string>>): readonly string[] {
  const names = Object.keys(FILES)
  const before = readTree(names, (name) => FILES[name] ?? '')
  const after = readTree(names, (name) => changes[name] ?? FILES[name] ?? '')
  return names.filter((name) => reachOf(before, name) !== reachOf(after, name))
}

describe('the memory of the linter', () => {
  it('reads a file again when it has changed, and whoever imports it, however far away', () => {
    expect(readAgain({})).toEqual([])
    expect(readAgain({ 'test/unit/jwk.test.ts': 'changed' })).toEqual(['test/unit/jwk.test.ts'])
    expect(readAgain({ 'src/kernel/bytes.ts': 'changed' })).toEqual([
      'src/kernel/bytes.ts',
      'src/kernel/digest.ts',
      'src/jwt/jwk.ts',
      'test/unit/jwk.test.ts',
    ])
  })

  it('reads all of a ring again when one of it has changed', () => {
    expect(readAgain({ 'src/x509/other.ts': "import './ring.ts' // changed" })).toEqual([
      'src/x509/ring.ts',
      'src/x509/other.ts',
    ])
  })
})
