import { toBase64Url, utf8 } from '#kernel/bytes.ts'
import { sha256 } from '#kernel/digest.ts'
import { isWritError } from '#kernel/errors.ts'
import { MINUTE, type Milliseconds } from '#kernel/instant.ts'
import { jwtError, type JWT_ERRORS } from './errors.ts'

/** A proof of possession is good for this long, whatever it says of itself. */
export const MAX_PROOF_LIFETIME: Milliseconds = MINUTE
/** The most that a proof or an identity token may measure, in characters: room for an RSA key of 4096 bits. */
export const MAX_PROOF_LENGTH = 8 * 1024

/** `ath`, `wth`, `tth`: base64url of SHA-256 over the token as it was sent (RFC 9449 section 4.2, WIMSE WPT). */
export function tokenHash(token: string): string {
  return toBase64Url(sha256(utf8(token)))
}

type JwtCode = keyof typeof JWT_ERRORS

/** What the general codecs refuse, in the words of one kind of token. */
export type Renaming = Readonly<Record<string, JwtCode>>

/** Runs a step and says its refusals in the words of one kind of token. */
export function renamed<Value>(names: Renaming, step: () => Value): Value {
  try {
    return step()
  } catch (cause) {
    const code = isWritError(cause) ? names[cause.code] : undefined
    if (code === undefined) throw cause
    throw jwtError(code, { cause })
  }
}
