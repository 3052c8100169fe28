import { createPublicKey, hash, verify, type KeyObject } from 'node:crypto'
import { toBase64Url, toHex, type Bytes } from '#kernel/bytes.ts'
import { sha256 } from '#kernel/digest.ts'
import { derFault, refuseAs } from '../der/fault.ts'
import { DerReader } from '../der/reader.ts'
import { TAG } from '../der/tags.ts'
import { x509Error } from '../errors.ts'
import { OID } from '../oids.ts'
import { curveOf, readPoint } from './curve.ts'
import { readRsaKey } from './rsa.ts'
import { isPlausibleEcdsaSignature } from './ecdsa-signature.ts'
import { X509_SIGNATURE_ALGORITHMS, type X509SignatureAlgorithm } from './signature-algorithm.ts'

export type KeyKind = 'P-256' | 'P-384' | 'RSA'

/** RSA-8192 with room for headers; nothing that is accepted is larger. */
const MAX_SPKI_BYTES = 1200

interface KeyParts {
  readonly kind: KeyKind
  readonly bits: number
  readonly jwk: Readonly<Record<string, string>>
}

/**
 * A certificate is read again before and after it is signed, with the key that its request came with: what was found
 * of a key's octets stays true.
 */
const recent = new Map<string, PublicKey>()
const MOST_RECENT = 1000

/** A public key that may be computed with: one that exists has an accepted algorithm, a sane size and a valid point. */
export class PublicKey {
  readonly kind: KeyKind
  /** Of the field (EC) or the modulus (RSA). */
  readonly bits: number
  /** DER SubjectPublicKeyInfo. */
  readonly spki: Bytes
  /** The contents of its BIT STRING. */
  readonly keyBits: Bytes
  readonly #jwk: Readonly<Record<string, string>>
  #keyObject: KeyObject | undefined
  #spkiHash: Bytes | undefined
  #keyIdentifier: Bytes | undefined

  private constructor(spki: Bytes, keyBits: Bytes, parts: KeyParts) {
    this.kind = parts.kind
    this.bits = parts.bits
    this.spki = spki
    this.keyBits = keyBits
    this.#jwk = parts.jwk
  }

  /** See `parsePublicKey`. */
  static parse(spki: Bytes): PublicKey {
    if (spki.length > MAX_SPKI_BYTES) throw tooLarge(spki)
    const name = toHex(spki)
    const key = recent.get(name) ?? PublicKey.#judge(spki)
    // The one that was looked for longest ago makes room.
    recent.delete(name)
    const [oldest] = recent.keys()
    if (recent.size >= MOST_RECENT && oldest !== undefined) recent.delete(oldest)
    recent.set(name, key)
    return key
  }

  static #judge(given: Bytes): PublicKey {
    // A copy, since whoever gave it may go on to use the octets for something else.
    const spki = new Uint8Array(given)
    const { algorithm, curve, keyBits } = refuseAs('KEY_MALFORMED', () => readSpki(spki))
    return new PublicKey(spki, keyBits, algorithm === OID.ecPublicKey ? ecParts(curve, keyBits) : rsaParts(keyBits))
  }

  /** Imported on first use: import costs as much as a verification. A JWK is the cheapest form to import. */
  get keyObject(): KeyObject {
    this.#keyObject ??= createPublicKey({ key: this.#jwk, format: 'jwk' })
    return this.#keyObject
  }

  /** SHA-256 of the SubjectPublicKeyInfo: the name of a key in pins, cutoffs and block lists. */
  get spkiHash(): Bytes {
    this.#spkiHash ??= sha256(this.spki)
    return this.#spkiHash
  }

  /** RFC 5280 section 4.2.1.2 method 1: SHA-1 of the key's bits. It names a key and protects nothing. */
  get keyIdentifier(): Bytes {
    this.#keyIdentifier ??= new Uint8Array(hash('sha1', this.keyBits, 'buffer'))
    return this.#keyIdentifier
  }

  /**
   * Whether the signature is this key's over the message. A signature that is of another form than the key's makes
   * none of the costs of a verification.
   */
  verify(algorithm: X509SignatureAlgorithm, message: Bytes, signature: Bytes): boolean {
    const { hash: hashName, keyType } = X509_SIGNATURE_ALGORITHMS[algorithm]
    if ((keyType === 'RSA') !== (this.kind === 'RSA')) return false
    const plausible =
      this.kind === 'RSA'
        ? signature.length === Math.ceil(this.bits / 8)
        : isPlausibleEcdsaSignature(signature, this.bits / 8)
    return plausible && verify(hashName, message, this.keyObject, signature)
  }
}

/**
 * A SubjectPublicKeyInfo (RFC 5280 section 4.1.2.7) of P-256, P-384 or RSA with 2048 to 8192 bits. Everything is
 * judged by arithmetic of ours; no key that is refused here reaches OpenSSL.
 * @throws KEY_MALFORMED, KEY_ALGORITHM_UNSUPPORTED, KEY_CURVE_UNSUPPORTED, KEY_POINT_COMPRESSED, KEY_POINT_INVALID,
 * KEY_RSA_TOO_SMALL, KEY_RSA_TOO_LARGE, KEY_RSA_EXPONENT, KEY_RSA_WEAK
 */
export function parsePublicKey(spki: Bytes): PublicKey {
  return PublicKey.parse(spki)
}

function readSpki(spki: Bytes): { algorithm: string; curve: string; keyBits: Bytes } {
  const outer = DerReader.of(spki)
  const key = outer.enter(TAG.sequence)
  outer.finish()
  const identifier = key.enter(TAG.sequence)
  const algorithm = identifier.oid()
  if (algorithm !== OID.ecPublicKey && algorithm !== OID.rsaEncryption) {
    throw x509Error('KEY_ALGORITHM_UNSUPPORTED', { details: { algorithm } })
  }
  const curve = algorithm === OID.ecPublicKey ? namedCurve(identifier) : ''
  if (algorithm === OID.rsaEncryption) identifier.null()
  identifier.finish()
  const keyBits = key.octetBits()
  key.finish()
  return { algorithm, curve, keyBits }
}

/** RFC 5480 section 2.1.1: parameters are a named curve; spelled-out ones can hide a false generator. */
function namedCurve(identifier: DerReader): string {
  if (identifier.nextTag === TAG.sequence) throw x509Error('KEY_CURVE_UNSUPPORTED')
  if (identifier.atEnd()) throw derFault('DER_TRUNCATED', identifier.offset)
  return identifier.oid()
}

function ecParts(oid: string, keyBits: Bytes): KeyParts {
  const curve = curveOf(oid)
  const { x, y } = readPoint(curve, keyBits)
  const jwk = { kty: 'EC', crv: curve.name, x: toBase64Url(x), y: toBase64Url(y) }
  return { kind: curve.name, bits: curve.size * 8, jwk }
}

function rsaParts(keyBits: Bytes): KeyParts {
  const { modulus, exponent, bits } = readRsaKey(keyBits)
  const hex = exponent.toString(16)
  const e = Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex').toString('base64url')
  return { kind: 'RSA', bits, jwk: { kty: 'RSA', n: toBase64Url(modulus), e } }
}

/** Too long to be read, but not too long to say why: whoever brings RSA-16384 is told so. */
function tooLarge(spki: Bytes): Error {
  const hint = spki.length < 64 * 1024 && isRsa(spki)
  return x509Error(hint ? 'KEY_RSA_TOO_LARGE' : 'KEY_MALFORMED', { details: { length: spki.length } })
}

function isRsa(spki: Bytes): boolean {
  return (
    refuseAs('KEY_MALFORMED', () => DerReader.of(spki).enter(TAG.sequence).enter(TAG.sequence).oid()) ===
    OID.rsaEncryption
  )
}
