import { fromBase64, fromUtf8, type Bytes } from '#kernel/bytes.ts'
import { parseJson, type JsonObject, type JsonValue } from '#kernel/json.ts'
import { Bundle, MAX_BUNDLE_KEYS, type BundleEntry } from './bundle.ts'
import { spiffeError } from './errors.ts'
import { parsePublicJwk } from './public-jwk.ts'
import { TrustDomain } from './spiffe-id.ts'

export const BUNDLE_LIMITS = { maxBytes: 1024 * 1024, maxDepth: 8 } as const
export const BUNDLE_MAP_LIMITS = { maxBytes: 16 * 1024 * 1024, maxDepth: 10 } as const

/**
 * Reads a SPIFFE bundle document (Trust Domain and Bundle section 4). As the standard asks, entries of an unknown or
 * missing kind, a certificate entry without certificate, a token key without ID are passed over, and only the first
 * certificate of an entry is taken; whatever is left must be well-formed, or the whole document is refused.
 * @throws BUNDLE_MALFORMED, BUNDLE_TOO_MANY_KEYS, BUNDLE_DUPLICATE_KID, JWK_*, and what parseJson throws
 */
export function decodeBundle(trustDomain: TrustDomain, document: Bytes | string): Bundle {
  const root = parseExact(document, BUNDLE_LIMITS)
  if (!isObject(root)) throw spiffeError('BUNDLE_MALFORMED')
  return readBundle(trustDomain, root, decodeHint(root['spiffe_refresh_hint']))
}

/**
 * Reads a Bundle Map (section 5): all or nothing; a name that comes twice is refused, hints inside are ignored.
 * @throws BUNDLE_MAP_MALFORMED, TRUST_DOMAIN_*, and what decodeBundle throws
 */
export function decodeBundleMap(document: Bytes | string): ReadonlyMap<string, Bundle> {
  const root = parseExact(document, BUNDLE_MAP_LIMITS)
  const domains = isObject(root) ? root['trust_domains'] : undefined
  if (!isObject(domains)) throw spiffeError('BUNDLE_MAP_MALFORMED')
  const bundles = new Map<string, Bundle>()
  for (const [name, bundle] of Object.entries(domains)) {
    if (!isObject(bundle)) throw spiffeError('BUNDLE_MAP_MALFORMED')
    bundles.set(name, readBundle(TrustDomain.parse(name), bundle, undefined))
  }
  return bundles
}

function readBundle(trustDomain: TrustDomain, root: JsonObject, refreshHint: number | undefined): Bundle {
  const keys = root['keys']
  if (!isArray(keys)) throw spiffeError('BUNDLE_MALFORMED')
  if (keys.length > MAX_BUNDLE_KEYS) throw spiffeError('BUNDLE_TOO_MANY_KEYS')
  const entries = keys.flatMap((key) => decodeEntry(key) ?? [])
  return new Bundle({ trustDomain, entries, sequence: decodeSequence(root['spiffe_sequence']), refreshHint })
}

function decodeEntry(key: JsonValue): BundleEntry | undefined {
  if (!isObject(key)) throw spiffeError('BUNDLE_MALFORMED')
  const { use, kty } = { use: key['use'], kty: key['kty'] }
  if (kty !== 'EC' && kty !== 'RSA') return undefined
  if (use === 'x509-svid') return decodeCertificate(key['x5c'])
  if (use === 'jwt-svid' || use === 'wit-svid') return decodeTokenKey(use, key)
  return undefined
}

function decodeCertificate(chain: JsonValue | undefined): BundleEntry | undefined {
  if (chain === undefined) return undefined
  if (!isArray(chain)) throw spiffeError('BUNDLE_MALFORMED')
  const first = chain[0]
  if (first === undefined) return undefined
  if (typeof first !== 'string' || first === '') throw spiffeError('BUNDLE_MALFORMED')
  try {
    return { use: 'x509-svid', certificate: fromBase64(first) }
  } catch (cause) {
    throw spiffeError('BUNDLE_MALFORMED', { cause })
  }
}

function decodeTokenKey(use: 'jwt-svid' | 'wit-svid', jwk: JsonObject): BundleEntry | undefined {
  const kid = jwk['kid']
  if (kid === undefined || kid === '') return undefined
  if (typeof kid !== 'string') throw spiffeError('BUNDLE_MALFORMED')
  const key = parsePublicJwk(jwk)
  return key === undefined ? undefined : { use, kid, key }
}

function decodeHint(hint: JsonValue | undefined): number | undefined {
  if (hint === undefined) return undefined
  if (typeof hint !== 'number') throw spiffeError('BUNDLE_MALFORMED')
  return hint
}

function decodeSequence(sequence: JsonValue | undefined): bigint | undefined {
  if (sequence === undefined) return undefined
  if (typeof sequence !== 'string' || !/^\d{1,20}$/.test(sequence)) throw spiffeError('BUNDLE_MALFORMED')
  return BigInt(sequence)
}

type Reviver = (member: string, value: JsonValue, context: { readonly source?: string }) => JsonValue

/** Keeps the digits of a sequence: as a number it would be rounded beyond 2^53. Anything but a number becomes null. */
const keepSequenceDigits: Reviver = (member, value, context) => {
  if (member !== 'spiffe_sequence') return value
  return typeof value === 'number' ? (context.source ?? null) : null
}

function parseExact(document: Bytes | string, limits: { maxBytes: number; maxDepth: number }): JsonValue {
  parseJson(document, limits)
  const text = typeof document === 'string' ? document : fromUtf8(document)
  return JSON.parse(text, keepSequenceDigits as (this: unknown, member: string, value: unknown) => unknown) as JsonValue
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isArray(value: JsonValue | undefined): value is readonly JsonValue[] {
  return Array.isArray(value)
}
