import fc from 'fast-check'
import { expect, it } from 'vitest'
import { toHex, type Bytes } from '#kernel/bytes.ts'
import { encodePublic, parseAttest, parsePublic, parseSignature } from '#tpm/index.ts'
import { codeOf } from '../support/code-of.ts'
import { capturedStructures } from '../support/tpm-vectors.ts'

const SEED = 20_261_121
const MUTATIONS = 20_000
const structures = capturedStructures()

type Change = (bytes: Bytes, at: number, byte: number) => Bytes

const CHANGES: readonly Change[] = [
  (bytes, at, byte) => bytes.with(at, byte),
  (bytes, at, byte) => bytes.with(at, (bytes[at] ?? 0) ^ (1 << (byte & 7))),
  (bytes, at) => bytes.slice(0, at),
  (bytes, at, byte) => Uint8Array.from([...bytes.slice(0, at), byte, ...bytes.slice(at)]),
  (bytes, at, byte) => Uint8Array.from([...bytes.slice(0, at), ...bytes.slice(at + (byte % 8))]),
]

const changed = fc
  .record({
    structure: fc.constantFrom(...structures),
    steps: fc.array(fc.tuple(fc.constantFrom(...CHANGES), fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 3 }),
  })
  .map(({ structure, steps }) =>
    steps.reduce(
      (bytes, [change, at, byte]) => (bytes.length === 0 ? bytes : change(bytes, at % bytes.length, byte)),
      structure.bytes,
    ),
  )

it('promise 10: TPM structures, after 20,000 mutations, are refused with a code or encode to what was read', () => {
  let [runs, accepted] = [0, 0]
  fc.assert(
    fc.property(changed, (bytes) => {
      runs++
      const codes = [parsePublic, parseAttest, parseSignature].map((parse) => codeOf(() => parse(bytes)))
      expect(codes).not.toContain('NOT_OURS')
      if (codes[0] !== 'ACCEPTED') return
      accepted++
      expect(toHex(encodePublic(parsePublic(bytes)))).toBe(toHex(bytes))
    }),
    { seed: SEED, numRuns: MUTATIONS },
  )
  expect(runs).toBe(MUTATIONS)
  expect(accepted).toBeGreaterThan(100)
})

it('promise 10: whatever bytes come, TPM parsers throw typed errors only', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 1200 }), (bytes) => {
      const codes = [parsePublic, parseAttest, parseSignature].map((parse) => codeOf(() => parse(bytes)))
      expect(codes).not.toContain('NOT_OURS')
    }),
    { seed: SEED, numRuns: 3_000 },
  )
})
