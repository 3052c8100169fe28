import { X509Certificate } from 'node:crypto'
import { toBase64, type Bytes } from '#kernel/bytes.ts'
import type { JsonObject } from '#kernel/json.ts'
import type { Bundle, BundleEntry, TokenAuthority } from './bundle.ts'
import { spiffeError } from './errors.ts'
import { parsePublicJwk, type PublicJwk } from './public-jwk.ts'

/**
 * The SPIFFE bundle document (Trust Domain and Bundle section 4), in the form that the strictest reader takes: one
 * certificate in each `x5c`, no `kid` on certificates, a `kid` on every token key, no member that is not defined.
 * @throws BUNDLE_MALFORMED when a certificate is none or holds a kind of key that we do not publish
 */
export function encodeBundle(bundle: Bundle): string {
  const members = [`"keys":${JSON.stringify(bundle.entries.map(encodeEntry))}`]
  // JSON.stringify takes no bigint, and a number would lose digits beyond 2^53.
  if (bundle.sequence !== undefined) members.push(`"spiffe_sequence":${bundle.sequence.toString()}`)
  if (bundle.refreshHint !== undefined) members.push(`"spiffe_refresh_hint":${bundle.refreshHint.toString()}`)
  return `{${members.join(',')}}`
}

/** The JWK Set of one kind of token key alone, as the Workload API hands it out: never a key of another use. */
export function encodeTokenKeys(bundle: Bundle, use: TokenAuthority['use']): string {
  return JSON.stringify({ keys: bundle.tokenAuthorities(use).map(encodeEntry) })
}

function encodeEntry(entry: BundleEntry): JsonObject {
  if (entry.use !== 'x509-svid') return { use: entry.use, kid: entry.kid, ...entry.key }
  return { use: entry.use, ...publicKeyOf(entry.certificate), x5c: [toBase64(entry.certificate)] }
}

function publicKeyOf(certificate: Bytes): PublicJwk {
  let exported: JsonObject
  try {
    exported = new X509Certificate(certificate).publicKey.export({ format: 'jwk' }) as JsonObject
  } catch (cause) {
    throw spiffeError('BUNDLE_MALFORMED', { cause })
  }
  const key = parsePublicJwk(exported)
  if (key === undefined) throw spiffeError('BUNDLE_MALFORMED')
  return key
}
