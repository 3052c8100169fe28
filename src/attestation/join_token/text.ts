import { fromBase64Url, toBase64Url, toHex, utf8, type Bytes } from '#kernel/bytes.ts'
import { sha256 } from '#kernel/digest.ts'
import type { Random } from '#kernel/random.ts'
import { Secret } from '#kernel/secret.ts'

const SECRET_BYTES = 24
const PIN_BYTES = 32
const MAX_PINS = 5

/** `wjt_`, 24 random bytes, then up to five pins, all base64url: SHA-256 of the SPKI of an anchor (promise 13). */
const TEXT = /^(wjt_([A-Za-z0-9_-]{32}))(?:\.[A-Za-z0-9_-]{43}){0,5}$/

/** The secret part is what the server knows by its hash; the pins are for the client alone. */
export function newJoinTokenText(pins: readonly Bytes[], random: Random): { text: Secret<string>; hash: string } {
  const secret = `wjt_${toBase64Url(random.bytes(SECRET_BYTES))}`
  const shown = pins.filter((pin) => pin.length === PIN_BYTES).slice(0, MAX_PINS)
  const text = [secret, ...shown.map(toBase64Url)].join('.')
  return { text: new Secret(text), hash: hashOf(secret) }
}

/** The hash that the token is stored under; null for text that no join token of ours has. */
export function joinTokenHash(text: string): string | null {
  const match = TEXT.exec(text)
  const [, secret, random] = match ?? []
  return secret === undefined || random === undefined || !isCanonical(random) ? null : hashOf(secret)
}

function isCanonical(text: string): boolean {
  try {
    return fromBase64Url(text).length === SECRET_BYTES
  } catch {
    return false
  }
}

function hashOf(secret: string): string {
  return toHex(sha256(utf8(secret)))
}
