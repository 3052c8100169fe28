import { describe, expect, it } from 'vitest'
import { concat, fromHex, type Bytes } from '#kernel/bytes.ts'
import {
  akTemplate,
  encodePcrSelections,
  parseAttest,
  parsePublic,
  parseSignature,
  readPcrSelections,
  readWhole,
  sized,
  TpmReader,
  uint16,
  uint32,
  uint64,
  uint8,
} from '#tpm/index.ts'
import { codeOf } from '../../support/code-of.ts'
import { captured, capturedStructures } from '../../support/tpm-vectors.ts'

const PARSERS: Readonly<Record<string, (bytes: Bytes) => unknown>> = {
  public: parsePublic,
  attest: parseAttest,
  signature: parseSignature,
}
const parse = (kind: string, bytes: Bytes): string => codeOf(() => PARSERS[kind]?.(bytes))
/** The bytes with some of them replaced. */
const patched = (hex: string, offset: number, value: Bytes): Bytes => {
  const bytes = fromHex(hex)
  bytes.set(value, offset)
  return bytes
}

describe.each(capturedStructures())('$name', ({ kind, bytes }) => {
  it('is refused when it is cut, wherever', () => {
    const codes = Array.from(bytes, (_, length) => parse(kind, bytes.slice(0, length)))
    expect(new Set(codes)).toEqual(new Set(['TPM_TRUNCATED']))
  })

  it('is refused with one byte behind it, or with many', () => {
    expect(parse(kind, bytes)).toBe('ACCEPTED')
    expect(parse(kind, concat(bytes, uint8(0)))).toBe('TPM_TRAILING_BYTES')
    expect(parse(kind, concat(bytes, new Uint8Array(2000)))).toBe('TPM_TOO_LARGE')
  })
})

describe('a public area', () => {
  const rsa = captured('rsa2048')
  const p256 = captured('p256')
  const p384 = captured('p384')

  it('is refused for SHA-1, as its name or in its scheme', () => {
    expect(codeOf(() => parsePublic(patched(p256.akPublic, 2, uint16(4))))).toBe('TPM_HASH_WEAK')
    expect(codeOf(() => parsePublic(patched(p256.akPublic, 14, uint16(4))))).toBe('TPM_HASH_WEAK')
    expect(codeOf(() => parsePublic(patched(p256.akPublic, 2, uint16(0x10))))).toBe('TPM_ALGORITHM_UNSUPPORTED')
  })

  it('is refused for another type, cipher, mode, scheme, key derivation or curve', () => {
    expect(codeOf(() => parsePublic(patched(p256.akPublic, 0, uint16(8))))).toBe('TPM_ALGORITHM_UNSUPPORTED')
    const { length } = fromHex(p384.ekPublic)
    const symmetric = length - (3 * 2 + 2 + 2 + 2 + 2 * 50)
    expect(codeOf(() => parsePublic(patched(p384.ekPublic, symmetric, uint16(6))))).toBe('ACCEPTED')
    expect(codeOf(() => parsePublic(patched(p384.ekPublic, symmetric, uint16(0x26))))).toBe('TPM_ALGORITHM_UNSUPPORTED')
    expect(codeOf(() => parsePublic(patched(p384.ekPublic, symmetric + 2, uint16(192))))).toBe(
      'TPM_ALGORITHM_UNSUPPORTED',
    )
    expect(codeOf(() => parsePublic(patched(p384.ekPublic, symmetric + 4, uint16(0x42))))).toBe(
      'TPM_ALGORITHM_UNSUPPORTED',
    )
    expect(codeOf(() => parsePublic(patched(p256.akPublic, 12, uint16(0x14))))).toBe('TPM_ALGORITHM_UNSUPPORTED')
    expect(codeOf(() => parsePublic(patched(p256.akPublic, 12, uint16(0x19))))).toBe('TPM_ALGORITHM_UNSUPPORTED')
    expect(codeOf(() => parsePublic(patched(p256.akPublic, 16, uint16(5))))).toBe('TPM_CURVE_UNSUPPORTED')
    expect(codeOf(() => parsePublic(patched(p256.akPublic, 18, uint16(0x20))))).toBe('TPM_ALGORITHM_UNSUPPORTED')
  })

  it('is refused with a policy that is no digest of its own hash', () => {
    const area = parsePublic(fromHex(p256.akPublic))
    expect(area.authPolicy).toHaveLength(0)
    const head = fromHex(p256.akPublic).slice(0, 8)
    const tail = fromHex(p256.akPublic).slice(10)
    expect(codeOf(() => parsePublic(concat(head, sized(new Uint8Array(31)), tail)))).toBe('TPM_VALUE_INVALID')
    expect(codeOf(() => parsePublic(concat(head, sized(new Uint8Array(32)), tail)))).toBe('ACCEPTED')
    expect(codeOf(() => parsePublic(concat(head, sized(new Uint8Array(49)), tail)))).toBe('TPM_TOO_LARGE')
  })

  it('is refused without a key, and with one that is not on its curve', () => {
    expect(codeOf(() => parsePublic(akTemplate('p-256')))).toBe('TPM_KEY_INVALID')
    expect(codeOf(() => parsePublic(akTemplate('rsa-2048')))).toBe('TPM_KEY_INVALID')
    expect(codeOf(() => parsePublic(patched(p256.akPublic, fromHex(p256.akPublic).length - 1, uint8(0))))).toBe(
      'TPM_KEY_INVALID',
    )
  })

  it('is refused with an RSA key that is small, even, short of its size or of a strange exponent', () => {
    const bits = fromHex(rsa.akPublic).length - 256 - 2 - 4 - 2
    const akPublic = rsa.akPublic
    expect(codeOf(() => parsePublic(patched(akPublic, bits, uint16(1024))))).toBe('TPM_KEY_INVALID')
    expect(codeOf(() => parsePublic(patched(akPublic, bits, uint16(3072))))).toBe('TPM_KEY_INVALID')
    expect(codeOf(() => parsePublic(patched(akPublic, bits + 2, uint32(3))))).toBe('TPM_KEY_INVALID')
    expect(codeOf(() => parsePublic(patched(akPublic, bits + 2, uint32(65_538))))).toBe('TPM_KEY_INVALID')
    expect(codeOf(() => parsePublic(patched(akPublic, bits + 2, uint32(65_537))))).toBe('ACCEPTED')
    expect(codeOf(() => parsePublic(patched(akPublic, bits + 8, uint8(0x7f))))).toBe('TPM_KEY_INVALID')
    expect(codeOf(() => parsePublic(patched(akPublic, bits + 8 + 255, uint8(0))))).toBe('TPM_KEY_INVALID')
  })
})

describe('an attestation', () => {
  const { certify, quote } = captured('p256')

  it('is refused without the mark of a TPM, which anyone could otherwise have signed', () => {
    expect(codeOf(() => parseAttest(patched(certify.attest, 0, uint32(0xff544346))))).toBe('TPM_NOT_GENERATED')
  })

  it('is refused when it is of another kind', () => {
    expect(codeOf(() => parseAttest(patched(certify.attest, 4, uint16(0x8016))))).toBe('TPM_ATTESTATION_UNSUPPORTED')
  })

  it('is refused when yes is neither 0 nor 1', () => {
    const safe = 6 + 2 + 34 + 2 + 4 + 8 + 4 + 4
    expect(codeOf(() => parseAttest(patched(certify.attest, safe, uint8(1))))).toBe('ACCEPTED')
    expect(codeOf(() => parseAttest(patched(certify.attest, safe, uint8(2))))).toBe('TPM_VALUE_INVALID')
  })

  it('is refused for a bank of SHA-1', () => {
    const { length } = fromHex(quote.attest)
    const bank = length - 34 - 3 - 1 - 2
    expect(codeOf(() => parseAttest(patched(quote.attest, bank, uint16(4))))).toBe('TPM_HASH_WEAK')
  })
})

describe('a PCR selection', () => {
  const read = (bytes: Bytes) => codeOf(() => readWhole(bytes, readPcrSelections))
  const bank = concat(uint16(0x0b), uint8(3), Uint8Array.of(0x80, 0, 0))

  it('names each bank once, and not too many, in few bytes', () => {
    expect(read(concat(uint32(1), bank))).toBe('ACCEPTED')
    expect(read(concat(uint32(2), bank, bank))).toBe('TPM_PCR_SELECTION')
    expect(read(concat(uint32(0xffffffff), bank))).toBe('TPM_PCR_SELECTION')
    expect(read(concat(uint32(1), uint16(0x0b), uint8(5), new Uint8Array(5)))).toBe('TPM_PCR_SELECTION')
    expect(read(concat(uint32(1), uint16(0x0b), uint8(0)))).toBe('TPM_PCR_SELECTION')
  })

  it('is written as it is read', () => {
    const selections = [
      { bank: 'sha256', indexes: [0, 7, 23] },
      { bank: 'sha384', indexes: [] },
    ] as const
    expect(readWhole(encodePcrSelections(selections), readPcrSelections)).toEqual(selections)
    expect(codeOf(() => encodePcrSelections([{ bank: 'sha256', indexes: [32] }]))).toBe('TPM_PCR_SELECTION')
  })
})

describe('a signature', () => {
  it('is refused for SHA-1, and for a scheme that is none', () => {
    const { signature } = captured('rsa2048').quote
    expect(codeOf(() => parseSignature(patched(signature, 2, uint16(4))))).toBe('TPM_HASH_WEAK')
    expect(codeOf(() => parseSignature(patched(signature, 0, uint16(0x10))))).toBe('TPM_ALGORITHM_UNSUPPORTED')
  })
})

it('writes numbers as it reads them', () => {
  const reader = TpmReader.of(
    concat(uint8(1), uint16(2), uint32(0xfffffffe), uint64(2n ** 63n + 1n), sized(Uint8Array.of(9))),
  )
  expect([reader.uint8(), reader.uint16(), reader.uint32(), reader.uint64()]).toEqual([
    1,
    2,
    0xfffffffe,
    2n ** 63n + 1n,
  ])
  expect(codeOf(() => reader.sized(0))).toBe('TPM_TOO_LARGE')
  expect(codeOf(() => sized(new Uint8Array(65_536)))).toBe('TPM_TOO_LARGE')
})
