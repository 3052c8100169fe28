import { toHex, utf8 } from '#kernel/bytes.ts'
import { sha256 } from '#kernel/digest.ts'
import { canonicalize, type JsonValue } from '#kernel/json.ts'

/** `sha-256:<hex>` of a row as canonical JSON (RFC 8785), for the commitments of a leaf. */
export function rowDigest(row: object): string {
  return `sha-256:${toHex(sha256(utf8(canonicalize(row as unknown as JsonValue))))}`
}
