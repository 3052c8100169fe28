import { fromBase64Url, type Bytes } from '#kernel/bytes.ts'
import type { JsonObject, JsonValue } from '#kernel/json.ts'
import { spiffeError } from './errors.ts'

/** The public members of a JSON Web Key (RFC 7518 section 6) of the kinds that we accept, and nothing else. */
export type PublicJwk = EcPublicJwk | RsaPublicJwk

export interface EcPublicJwk {
  readonly kty: 'EC'
  readonly crv: 'P-256' | 'P-384' | 'P-521'
  readonly x: string
  readonly y: string
}

export interface RsaPublicJwk {
  readonly kty: 'RSA'
  readonly n: string
  readonly e: string
}

const COORDINATE_BYTES = { 'P-256': 32, 'P-384': 48, 'P-521': 66 } as const
const SECRET_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'] as const
const MIN_RSA_BITS = 2048
const MAX_RSA_BITS = 8192

/**
 * Takes the public members out of a JWK. Undefined when the key is of a kind that we do not know, which a reader of a
 * key set passes over (RFC 7517 section 5). Whether an EC point is on its curve shows when the key is imported.
 * @throws JWK_NOT_PUBLIC, JWK_MALFORMED, JWK_SIZE
 */
export function parsePublicJwk(jwk: JsonObject): PublicJwk | undefined {
  if (SECRET_MEMBERS.some((member) => Object.hasOwn(jwk, member))) throw spiffeError('JWK_NOT_PUBLIC')
  if (jwk['kty'] === 'EC') return parseEc(jwk)
  if (jwk['kty'] === 'RSA') return parseRsa(jwk)
  return undefined
}

function parseEc(jwk: JsonObject): EcPublicJwk | undefined {
  const crv = jwk['crv']
  if (typeof crv !== 'string') throw spiffeError('JWK_MALFORMED')
  if (!isCurve(crv)) return undefined
  const [x, y] = [decode(jwk['x']), decode(jwk['y'])]
  const size = COORDINATE_BYTES[crv]
  if (x.bytes.length !== size || y.bytes.length !== size) throw spiffeError('JWK_MALFORMED')
  return { kty: 'EC', crv, x: x.text, y: y.text }
}

function isCurve(crv: string): crv is EcPublicJwk['crv'] {
  return Object.hasOwn(COORDINATE_BYTES, crv)
}

function parseRsa(jwk: JsonObject): RsaPublicJwk {
  const [n, e] = [decode(jwk['n']), decode(jwk['e'])]
  const bits = bitLength(n.bytes)
  if (bits < MIN_RSA_BITS || bits > MAX_RSA_BITS || !isExponent(e.bytes)) throw spiffeError('JWK_SIZE')
  return { kty: 'RSA', n: n.text, e: e.text }
}

/** @throws JWK_MALFORMED for a leading zero, which RFC 7518 section 6.3.1.1 forbids */
function bitLength(value: Bytes): number {
  const [first = 0] = value
  if (first === 0) throw spiffeError('JWK_MALFORMED')
  return value.length * 8 - Math.clz32(first) + 24
}

/** Odd, at least 3, at most 32 bits. */
function isExponent(value: Bytes): boolean {
  const bits = bitLength(value)
  return bits >= 2 && bits <= 32 && ((value.at(-1) ?? 0) & 1) === 1
}

function decode(member: JsonValue | undefined): { readonly text: string; readonly bytes: Bytes } {
  if (typeof member !== 'string') throw spiffeError('JWK_MALFORMED')
  try {
    return { text: member, bytes: fromBase64Url(member) }
  } catch (cause) {
    throw spiffeError('JWK_MALFORMED', { cause })
  }
}
