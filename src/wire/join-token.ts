import { fromBase64Url, toBase64Url, type Bytes } from '#kernel/bytes.ts'
import { isWritError } from '#kernel/errors.ts'
import { Secret } from '#kernel/secret.ts'
import { wireError } from './errors.ts'

const PREFIX = 'wjt_'
const SECRET_BYTES = 24
const PIN_BYTES = 32
/** As many anchors as there are while authorities change, and one is kept in reserve. */
const MAX_PINS = 5
const MAX_LENGTH = 256

/**
 * A join token as an operator hands it out: `wjt_<secret>.<pin>[.<pin>…]`. `secret` is the whole part before the
 * first dot, whose hash the server keeps; a pin is the SHA-256 of an anchor's SPKI, which the agent wants to see
 * before it sends the token (promise 13).
 */
export interface JoinToken {
  readonly secret: Secret<string>
  readonly pins: readonly Bytes[]
}

/** @throws JOIN_TOKEN_MALFORMED, which never quotes the token */
export function parseJoinToken(text: string): JoinToken {
  if (text.length > MAX_LENGTH) throw wireError('JOIN_TOKEN_MALFORMED')
  const [secret = '', ...pins] = text.split('.')
  if (!secret.startsWith(PREFIX) || pins.length === 0 || pins.length > MAX_PINS) throw wireError('JOIN_TOKEN_MALFORMED')
  decode(secret.slice(PREFIX.length), SECRET_BYTES)
  return { secret: new Secret(secret), pins: pins.map((pin) => decode(pin, PIN_BYTES)) }
}

/** @throws JOIN_TOKEN_MALFORMED unless the random part has 24 bytes and there are one to five pins of 32 bytes */
export function formatJoinToken(random: Bytes, pins: readonly Bytes[]): Secret<string> {
  const text = [PREFIX + toBase64Url(random), ...pins.map(toBase64Url)].join('.')
  parseJoinToken(text)
  return new Secret(text)
}

function decode(text: string, length: number): Bytes {
  try {
    const bytes = fromBase64Url(text)
    if (bytes.length === length) return bytes
  } catch (error) {
    // The cause would quote nothing, yet it says no more than the code does.
    if (!isWritError(error)) throw error
  }
  throw wireError('JOIN_TOKEN_MALFORMED')
}
