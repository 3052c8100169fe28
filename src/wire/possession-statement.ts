import { utf8, type Bytes } from '#kernel/bytes.ts'
import { TrustDomain } from '#spiffe/index.ts'
import { wireError } from './errors.ts'

/** What a key signs to show that it is here, now, for this certificate request. */
export interface PossessionStatement {
  readonly trustDomain: string
  /** Both 32 bytes in base64url, as the server has sent them. */
  readonly session: string
  readonly nonce: string
  /** SHA-256 of the DER of the certificate request, lower-case hex. */
  readonly csrDigest: string
}

export type X509popStatement = PossessionStatement

const RANDOM = /^[A-Za-z0-9_-]{43}$/
const DIGEST = /^[0-9a-f]{64}$/

/**
 * The bytes that are signed: `writ-x509pop-v1`, trust domain, session, nonce and digest, in ASCII, each with a line
 * feed behind it. No field can hold a line feed and each has one form, so no two statements have the same bytes, and
 * the prefix keeps them apart from everything else that the key may ever sign.
 * @throws X509POP_STATEMENT_INVALID for a field of any other form
 */
export function encodeX509popStatement(statement: PossessionStatement): Bytes {
  if (!isWhole(statement)) throw wireError('X509POP_STATEMENT_INVALID')
  return encode('writ-x509pop-v1', statement)
}

/**
 * The same behind `writ-tpm-v1`. A TPM signs its SHA-256 along with what it says of a key or of its PCRs, as the
 * qualifying data of TPM2_Certify and TPM2_Quote.
 * @throws TPM_STATEMENT_INVALID for a field of any other form
 */
export function encodeTpmStatement(statement: PossessionStatement): Bytes {
  if (!isWhole(statement)) throw wireError('TPM_STATEMENT_INVALID')
  return encode('writ-tpm-v1', statement)
}

/**
 * What a device signs along when it states where the key of a certificate request lives: `writ-key-v1`, trust domain and
 * digest of the request. The statement is of the key and for good, so it needs no nonce of the server's; that the key
 * is here now is what the request's own signature shows.
 * @throws TPM_STATEMENT_INVALID for a digest of any other form
 */
export function encodeKeyStatement(statement: Pick<PossessionStatement, 'trustDomain' | 'csrDigest'>): Bytes {
  const { trustDomain, csrDigest } = statement
  if (!DIGEST.test(csrDigest)) throw wireError('TPM_STATEMENT_INVALID')
  return lines('writ-key-v1', TrustDomain.parse(trustDomain).name, csrDigest)
}

function isWhole({ session, nonce, csrDigest }: PossessionStatement): boolean {
  return RANDOM.test(session) && RANDOM.test(nonce) && DIGEST.test(csrDigest)
}

function encode(prefix: string, { trustDomain, session, nonce, csrDigest }: PossessionStatement): Bytes {
  return lines(prefix, TrustDomain.parse(trustDomain).name, session, nonce, csrDigest)
}

function lines(...fields: readonly string[]): Bytes {
  return utf8(fields.map((field) => `${field}\n`).join(''))
}
