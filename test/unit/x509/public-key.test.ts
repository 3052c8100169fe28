import { createHash, createPublicKey, generateKeyPairSync, sign } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { concat, type Bytes } from '#kernel/bytes.ts'
import { parsePublicKey } from '#x509/index.ts'
import { codeOf } from '../../support/code-of.ts'
import { bitsElement, hex, oidElement, replaceAt, sequence, tlv, unsignedElement } from '../../support/der.ts'
import { newKeyPair, signWith, spkiOf } from '../../support/x509.ts'

const NULL = tlv(0x05)
const RSA_ALGORITHM = sequence(oidElement('1.2.840.113549.1.1.1'), NULL)
const P256_ALGORITHM = sequence(oidElement('1.2.840.10045.2.1'), oidElement('1.2.840.10045.3.1.7'))

/** An RSA key of given numbers; nobody needs the private half to be refused. */
function rsaSpki(modulus: bigint, exponent: bigint): Bytes {
  const octets = (value: bigint) =>
    Buffer.from(
      value
        .toString(16)
        .padStart(2, '0')
        .replace(/^(.(..)*)$/, '0$1'),
      'hex',
    )
  return sequence(
    RSA_ALGORITHM,
    bitsElement(sequence(unsignedElement(octets(modulus)), unsignedElement(octets(exponent)))),
  )
}

function modulusOf(spki: Bytes): bigint {
  const { n = '' } = createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' }).export({ format: 'jwk' })
  return BigInt(`0x${Buffer.from(n, 'base64url').toString('hex')}`)
}

/** An odd number of so many bits without small factors is good enough where the size alone is judged. */
const oddOf = (bits: number) => (1n << BigInt(bits - 1)) + 1n
const codeFor = (spki: Bytes) => codeOf(() => parsePublicKey(spki))

const p256 = newKeyPair('ES256')
const p384 = newKeyPair('ES384')
const rsa = newKeyPair('RS256')

describe('a public key', () => {
  it.each([
    ['P-256', p256, 256],
    ['P-384', p384, 384],
    ['RSA', rsa, 2048],
  ] as const)('of kind %s is read, and verifies what its private half signed', (kind, key, bits) => {
    const message = new Uint8Array([1, 2, 3])
    expect(key.publicKey.kind).toBe(kind)
    expect(key.publicKey.bits).toBe(bits)
    expect(key.publicKey.verify(key.algorithm, message, signWith(key, message))).toBe(true)
    expect(key.publicKey.verify(key.algorithm, new Uint8Array([1, 2]), signWith(key, message))).toBe(false)
  })

  it('of RSA may have the exponent 3, and up to 8192 bits', () => {
    const exponent3 = generateKeyPairSync('rsa', { modulusLength: 2048, publicExponent: 3 })
    expect(parsePublicKey(spkiOf(exponent3.privateKey)).bits).toBe(2048)
    const large = modulusOf(rsa.publicKey.spki) ** 3n * modulusOf(spkiOf(exponent3.privateKey))
    expect(parsePublicKey(rsaSpki(large, 65537n)).bits).toBe(large.toString(2).length)
    expect(large.toString(2).length).toBeGreaterThan(8180)
  })

  it('verifies by hash, not by curve, as X.509 has it', () => {
    const message = new Uint8Array(9)
    const signature = new Uint8Array(sign('sha384', message, p256.privateKey))
    expect(p256.publicKey.verify('ES384', message, signature)).toBe(true)
    expect(p256.publicKey.verify('ES256', message, signature)).toBe(false)
  })

  it('is named by the SHA-1 of its bits in certificates and by the SHA-256 of its SPKI elsewhere', () => {
    const { spki, keyIdentifier, spkiHash } = p256.publicKey
    expect(Buffer.from(keyIdentifier)).toEqual(createHash('sha1').update(spki.subarray(-65)).digest())
    expect(Buffer.from(spkiHash)).toEqual(createHash('sha256').update(spki).digest())
  })

  it('does not verify a signature of another family or form', () => {
    const message = new Uint8Array(9)
    const signature = signWith(p256, message)
    expect(p256.publicKey.verify('RS256', message, signature)).toBe(false)
    expect(rsa.publicKey.verify('ES256', message, signature)).toBe(false)
    expect(rsa.publicKey.verify('RS256', message, new Uint8Array(257))).toBe(false)
    expect(p256.publicKey.verify('ES256', message, new Uint8Array())).toBe(false)
    expect(p256.publicKey.verify('ES256', message, concat(signature, new Uint8Array(1)))).toBe(false)
    expect(p256.publicKey.verify('ES256', message, hex('3006 020100 020100'))).toBe(false)
    expect(
      p256.publicKey.verify('ES256', message, sequence(unsignedElement(new Uint8Array(40).fill(7)), hex('020101'))),
    ).toBe(false)
  })
})

describe('RSA keys are refused', () => {
  it.each([
    ['of 2047 bits', oddOf(2047), 65537n, 'KEY_RSA_TOO_SMALL'],
    ['of 1024 bits', oddOf(1024), 65537n, 'KEY_RSA_TOO_SMALL'],
    ['of 8193 bits', oddOf(8193), 65537n, 'KEY_RSA_TOO_LARGE'],
    ['of 16384 bits', oddOf(16384), 65537n, 'KEY_RSA_TOO_LARGE'],
    ['of 400000 bits', oddOf(400_000), 65537n, 'KEY_RSA_TOO_LARGE'],
    ['with an even modulus', modulusOf(rsa.publicKey.spki) + 1n, 65537n, 'KEY_RSA_WEAK'],
    ['with a small factor', 751n * oddOf(2045), 65537n, 'KEY_RSA_WEAK'],
    ['with exponent 1', modulusOf(rsa.publicKey.spki), 1n, 'KEY_RSA_EXPONENT'],
    ['with an even exponent', modulusOf(rsa.publicKey.spki), 65536n, 'KEY_RSA_EXPONENT'],
    ['with an exponent of 33 bits', modulusOf(rsa.publicKey.spki), (1n << 32n) + 1n, 'KEY_RSA_EXPONENT'],
    ['with an exponent as long as the modulus', modulusOf(rsa.publicKey.spki), oddOf(2048), 'KEY_RSA_EXPONENT'],
    ['with modulus 0', 0n, 65537n, 'KEY_MALFORMED'],
  ])('%s', (_, modulus, exponent, code) => {
    expect(codeFor(rsaSpki(modulus, exponent))).toBe(code)
  })

  it('of the generator with CVE-2017-15361, whose moduli are powers of 65537 modulo small primes', () => {
    const primes = [2n, 3n, 5n, 7n, ...primesTo(701)]
    const primorial = primes.reduce((product, prime) => product * prime, 1n)
    const shaped = (k: bigint, a: bigint) => k * primorial + power(65537n, a, primorial)
    let modulus = shaped(7n << 60n, 12345n) * shaped(5n << 61n, 54321n)
    expect(modulus.toString(2).length).toBeGreaterThan(1900)
    for (let a = 1n; modulus.toString(2).length < 2048; a++) modulus *= power(65537n, a, primorial)
    const bits = modulus.toString(2).length
    expect(codeFor(rsaSpki(modulus, 65537n))).toBe(bits > 8192 ? 'KEY_RSA_TOO_LARGE' : 'KEY_RSA_WEAK')
    expect(bits).toBeLessThan(8192)
  })

  it('of two primes that are close to each other', () => {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
    const { p = '' } = privateKey.export({ format: 'jwk' })
    const prime = BigInt(`0x${Buffer.from(p, 'base64url').toString('hex')}`)
    expect(codeFor(rsaSpki(prime * (prime + 2n * 1_000_002n), 65537n))).toBe('KEY_RSA_WEAK')
    expect(codeFor(rsaSpki(prime * prime, 65537n))).toBe('KEY_RSA_WEAK')
  })

  it('without NULL parameters, or with a structure that is not DER', () => {
    const bits = bitsElement(sequence(hex('020103'), hex('020103')))
    expect(codeFor(sequence(sequence(oidElement('1.2.840.113549.1.1.1')), bits))).toBe('KEY_MALFORMED')
    expect(codeFor(sequence(RSA_ALGORITHM, bitsElement(hex('3080 0000'))))).toBe('KEY_MALFORMED')
    expect(codeFor(sequence(RSA_ALGORITHM, bitsElement(new Uint8Array())))).toBe('KEY_MALFORMED')
  })

  it('for good keys in a thousand, never', () => {
    // The sieve against close primes and ROCA must not fire on honest keys; primes of real keys stand in for many.
    const honest = modulusOf(rsa.publicKey.spki)
    for (let index = 0n; index < 1000n; index++) {
      const candidate = honest + 2n * index
      const code = codeFor(rsaSpki(candidate, 65537n))
      const smallFactor =
        primesTo(751).some((prime) => candidate % prime === 0n) ||
        [3n, 5n, 7n].some((prime) => candidate % prime === 0n)
      expect(code).toBe(smallFactor ? 'KEY_RSA_WEAK' : 'ACCEPTED')
    }
  })
})

function primesTo(limit: number): bigint[] {
  const primes: bigint[] = []
  for (let candidate = 11; candidate <= limit; candidate += 2) {
    let prime = candidate % 3 !== 0 && candidate % 5 !== 0 && candidate % 7 !== 0
    for (const known of primes) prime &&= candidate % Number(known) !== 0
    if (prime) primes.push(BigInt(candidate))
  }
  return primes
}

function power(base: bigint, exponent: bigint, modulus: bigint): bigint {
  let result = 1n
  for (let rest = exponent, factor = base % modulus; rest > 0n; rest >>= 1n, factor = (factor * factor) % modulus) {
    if ((rest & 1n) === 1n) result = (result * factor) % modulus
  }
  return result
}

describe('EC keys are refused', () => {
  const point = p256.publicKey.keyBits

  it('on other curves', () => {
    for (const namedCurve of ['P-521', 'secp256k1', 'P-224']) {
      const { privateKey } = generateKeyPairSync('ec', { namedCurve })
      expect(codeFor(spkiOf(privateKey))).toBe('KEY_CURVE_UNSUPPORTED')
    }
  })

  it('with a curve that is spelled out, which can hide a false generator (CVE-2020-0601)', () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256', paramEncoding: 'explicit' })
    expect(codeFor(spkiOf(privateKey))).toBe('KEY_CURVE_UNSUPPORTED')
  })

  it('with compressed points', () => {
    expect(codeFor(sequence(P256_ALGORITHM, bitsElement(concat(new Uint8Array([2]), point.subarray(1, 33)))))).toBe(
      'KEY_POINT_COMPRESSED',
    )
    expect(codeFor(sequence(P256_ALGORITHM, bitsElement(concat(new Uint8Array([3]), point.subarray(1, 33)))))).toBe(
      'KEY_POINT_COMPRESSED',
    )
  })

  it.each([
    ['off the curve', (bits: Bytes) => bits.with(64, bits[64]! ^ 1)],
    ['at infinity', () => new Uint8Array([0])],
    ['with coordinates that are too long', (bits: Bytes) => concat(bits, new Uint8Array(1))],
    ['with coordinates that are too short', (bits: Bytes) => bits.subarray(0, 64)],
    ['in hybrid form', (bits: Bytes) => bits.with(0, 6)],
    [
      'with coordinates not below the prime',
      (bits: Bytes) => concat(bits.subarray(0, 1), new Uint8Array(64).fill(0xff)),
    ],
    ['of nothing', () => new Uint8Array()],
  ])('with a point %s', (_, change) => {
    expect(codeFor(sequence(P256_ALGORITHM, bitsElement(change(point))))).toBe('KEY_POINT_INVALID')
  })

  it('with a coordinate that is on the curve only after reduction by the prime', () => {
    const prime = 2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n
    const b = 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn
    const spell = (value: bigint) => Buffer.from(value.toString(16).padStart(64, '0'), 'hex')
    let found = 0
    for (let x = 0n; x < 20n; x++) {
      const square = (x * x * x - 3n * x + b) % prime
      const y = power(square, (prime + 1n) / 4n, prime)
      if ((y * y - square) % prime !== 0n) continue
      found++
      const spkiAt = (at: bigint) =>
        sequence(P256_ALGORITHM, bitsElement(concat(new Uint8Array([4]), spell(at), spell(y))))
      expect(codeFor(spkiAt(x))).toBe('ACCEPTED')
      expect(codeFor(spkiAt(x + prime))).toBe('KEY_POINT_INVALID')
    }
    expect(found).toBeGreaterThan(3)
  })

  it('when the point belongs to the other curve', () => {
    expect(codeFor(sequence(P256_ALGORITHM, bitsElement(p384.publicKey.keyBits)))).toBe('KEY_POINT_INVALID')
  })
})

describe('other keys are refused', () => {
  it('of other algorithms', () => {
    expect(codeFor(spkiOf(generateKeyPairSync('ed25519').privateKey))).toBe('KEY_ALGORITHM_UNSUPPORTED')
    expect(codeFor(spkiOf(generateKeyPairSync('rsa-pss', { modulusLength: 2048 }).privateKey))).toBe(
      'KEY_ALGORITHM_UNSUPPORTED',
    )
  })

  it.each([
    ['with bytes behind', (spki: Bytes) => concat(spki, new Uint8Array(1))],
    ['with an element too many', (spki: Bytes) => replaceAt(spki, [0, 1], (old) => concat(old, NULL))],
    ['with parameters too many', (spki: Bytes) => replaceAt(spki, [0, 0, 1], (old) => concat(old, NULL))],
    ['without a curve', (spki: Bytes) => replaceAt(spki, [0, 0, 1], () => new Uint8Array())],
    ['of nothing', () => new Uint8Array()],
    ['of a megabyte', () => new Uint8Array(1 << 20)],
  ])('%s', (_, change) => {
    expect(codeFor(change(p256.publicKey.spki))).toBe('KEY_MALFORMED')
  })
})
