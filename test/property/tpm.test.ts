import fc from 'fast-check'
import { expect, it } from 'vitest'
import { fromHex, toHex, type Bytes } from '#kernel/bytes.ts'
import {
  encodePublic,
  makeCredential,
  nameOf,
  parseAttest,
  parsePublic,
  parseSignature,
  spkiOf,
  tpmError,
  verifySignature,
} from '#tpm/index.ts'
import { FakeRandom } from '../fakes/random.ts'
import { codeOf } from '../support/code-of.ts'
import { captured, CAPTURES, capturedStructures } from '../support/tpm-vectors.ts'

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

it('promise 10: credentials, names and verdicts over mutated structures end in an answer or a typed error', () => {
  const { ekPublic, akPublic, quote } = captured('rsa2048')
  const ak = parsePublic(fromHex(akPublic))
  const keys = capturedStructures().filter(({ kind }) => kind === 'public')
  let made = 0
  const attempt = (bytes: Bytes): string =>
    codeOf(() => {
      const key = parsePublic(bytes)
      nameOf(key)
      spkiOf(key)
      verifySignature(key, fromHex(quote.attest), parseSignature(fromHex(quote.signature)))
      makeCredential(key, nameOf(ak), new Uint8Array(32), new FakeRandom())
      made++
    })
  fc.assert(
    fc.property(fc.constantFrom(...keys), fc.nat(), fc.nat(255), ({ bytes }, at, byte) => {
      expect(attempt(bytes.with(at % bytes.length, byte))).not.toBe('NOT_OURS')
    }),
    { seed: SEED, numRuns: 2_000 },
  )
  expect(attempt(fromHex(ekPublic))).toBe('ACCEPTED')
  expect(made).toBeGreaterThan(10)
})

it('promise 10: a mutated signature is refused or does not verify, and never verifies by another form', () => {
  let refused = 0
  for (const { akPublic, certify } of CAPTURES.keys) {
    const key = parsePublic(fromHex(akPublic))
    const [attest, signature] = [fromHex(certify.attest), fromHex(certify.signature)]
    for (let at = 0; at < signature.length; at++) {
      for (const bit of [0, 7]) {
        const changed = signature.with(at, (signature[at] ?? 0) ^ (1 << bit))
        const verdict = codeOf(() => {
          if (!verifySignature(key, attest, parseSignature(changed))) throw tpmError('TPM_VALUE_INVALID')
        })
        expect(verdict).toMatch(/^TPM_/)
        refused++
      }
    }
  }
  expect(refused).toBeGreaterThan(500)
})
