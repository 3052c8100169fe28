import { utf8, type Bytes } from '#kernel/bytes.ts'
import { TrustDomain } from '#spiffe/index.ts'
import { wireError } from './errors.ts'

/** What the key of a certificate signs to show that it is here, now, for this certificate request. */
export interface X509popStatement {
  readonly trustDomain: string
  /** Both 32 bytes in base64url, as the server has sent them. */
  readonly session: string
  readonly nonce: string
  /** SHA-256 of the DER of the certificate request, lower-case hex. */
  readonly csrDigest: string
}

const PREFIX = 'writ-x509pop-v1'
const RANDOM = /^[A-Za-z0-9_-]{43}$/
const DIGEST = /^[0-9a-f]{64}$/

/**
 * The bytes that are signed: `writ-x509pop-v1`, trust domain, session, nonce and digest, in ASCII, each with a line
 * feed behind it. No field can hold a line feed and each has one form, so no two statements have the same bytes, and
 * the prefix keeps them apart from everything else that the key may ever sign.
 * @throws X509POP_STATEMENT_INVALID for a field of any other form
 */
export function encodeX509popStatement({ trustDomain, session, nonce, csrDigest }: X509popStatement): Bytes {
  const isWhole = RANDOM.test(session) && RANDOM.test(nonce) && DIGEST.test(csrDigest)
  if (!isWhole) throw wireError('X509POP_STATEMENT_INVALID')
  const fields = [PREFIX, TrustDomain.parse(trustDomain).name, session, nonce, csrDigest]
  return utf8(fields.map((field) => `${field}\n`).join(''))
}
