import { fromBase64Url, utf8, type Bytes } from '#kernel/bytes.ts'
import { isWritError } from '#kernel/errors.ts'
import { parseJson, type JsonObject, type JsonValue } from '#kernel/json.ts'
import { isJwsAlgorithm, type JwsAlgorithm } from './algorithms.ts'
import { jwtError } from './errors.ts'
import { isObject } from './json-shape.ts'
import { TOKEN_KINDS, type TokenKind, type TokenKindRow } from './token-kinds.ts'

/** The most that a token of ours or of a peer may measure, in characters. */
export const MAX_TOKEN_LENGTH = 16 * 1024
const MAX_HEADER_BYTES = 4 * 1024
const MAX_DEPTH = 16

export interface TokenHeader {
  readonly alg: JwsAlgorithm
  /** Present on every kind whose key is found by it. */
  readonly kid: string | undefined
  /** Present on DPoP proofs only, unread. */
  readonly jwk: JsonObject | undefined
}

/** A token that has the form of its kind and that nobody has verified: nothing in it may be believed yet. */
export interface UnverifiedToken {
  readonly kind: TokenKind
  /** Of its text. */
  readonly length: number
  readonly header: TokenHeader
  readonly claims: JsonObject
  readonly signingInput: Bytes
  readonly signature: Bytes
}

/**
 * Parses a JWS in compact serialization (RFC 7515 section 7.1) as a token of `kind`. Size, form, header parameters,
 * algorithm and type are settled, in this order, before the claims are read; no cryptography happens.
 * @throws JWT_TOO_LARGE, JWT_MALFORMED, JWT_JSON_INVALID, JWT_HEADER_NOT_ALLOWED, JWT_HEADER_INVALID,
 *   JWT_ALGORITHM_NOT_ALLOWED, JWT_TYPE_WRONG, JWT_KEY_ID_MISSING
 */
export function parseCompact(text: string, kind: TokenKind, maxLength = MAX_TOKEN_LENGTH): UnverifiedToken {
  if (text.length > maxLength) throw jwtError('JWT_TOO_LARGE', { details: { length: text.length, limit: maxLength } })
  const [header, payload, signature, ...rest] = text.split('.')
  if (header === undefined || payload === undefined || signature === undefined || rest.length > 0) {
    throw jwtError('JWT_MALFORMED')
  }
  const [headerBytes, claimsBytes, signatureBytes] = [decodePart(header), decodePart(payload), decodePart(signature)]
  return {
    kind,
    length: text.length,
    header: readHeader(readObject(headerBytes, 'header', MAX_HEADER_BYTES), TOKEN_KINDS[kind]),
    claims: readObject(claimsBytes, 'claims', maxLength),
    signingInput: utf8(`${header}.${payload}`),
    signature: signatureBytes,
  }
}

function readHeader(header: JsonObject, row: TokenKindRow): TokenHeader {
  for (const name of Object.keys(header)) {
    // The name itself stays out: whoever sent the token chose it.
    if (!row.headers.includes(name)) throw jwtError('JWT_HEADER_NOT_ALLOWED')
  }
  const alg = readAlgorithm(header['alg'], row)
  checkType(header['typ'], row)
  return { alg, kid: readKeyId(header['kid'], row), jwk: readKey(header['jwk'], row) }
}

function readAlgorithm(alg: JsonValue | undefined, row: TokenKindRow): JwsAlgorithm {
  if (!isJwsAlgorithm(alg) || !row.algorithms.includes(alg)) throw jwtError('JWT_ALGORITHM_NOT_ALLOWED')
  return alg
}

function checkType(typ: JsonValue | undefined, row: TokenKindRow): void {
  if (typ !== undefined && typeof typ !== 'string') throw jwtError('JWT_HEADER_INVALID')
  if (!row.accepts.includes(typ ?? null)) throw jwtError('JWT_TYPE_WRONG')
}

function readKeyId(kid: JsonValue | undefined, row: TokenKindRow): string | undefined {
  if (kid === undefined && row.key === 'kid') throw jwtError('JWT_KEY_ID_MISSING')
  if (kid !== undefined && (typeof kid !== 'string' || kid === '')) throw jwtError('JWT_HEADER_INVALID')
  return kid
}

function readKey(jwk: JsonValue | undefined, row: TokenKindRow): JsonObject | undefined {
  if (row.key !== 'header-jwk') return undefined
  if (!isObject(jwk)) throw jwtError('JWT_HEADER_INVALID')
  return jwk
}

function readObject(bytes: Bytes, name: 'header' | 'claims', maxBytes: number): JsonObject {
  try {
    const value = parseJson(bytes, { maxBytes, maxDepth: MAX_DEPTH })
    if (isObject(value)) return value
  } catch (cause) {
    const reason = isWritError(cause) ? cause.code : 'INVALID_JSON'
    throw jwtError('JWT_JSON_INVALID', { details: { part: name, reason }, cause })
  }
  throw jwtError('JWT_JSON_INVALID', { details: { part: name, reason: 'NOT_AN_OBJECT' } })
}

function decodePart(part: string): Bytes {
  if (part === '') throw jwtError('JWT_MALFORMED')
  try {
    return fromBase64Url(part)
  } catch (cause) {
    throw jwtError('JWT_MALFORMED', { cause })
  }
}
