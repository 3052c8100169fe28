import { fromBase64, type Bytes } from '#kernel/bytes.ts'
import { isWritError } from '#kernel/errors.ts'
import { DEFAULT_CSR_LIMITS, parseCsr, x509Error, type CertificateRequest } from '#x509/index.ts'

/** Base64 of 16 KiB. */
const MAX_TEXT = 22 * 1024

/**
 * A certificate request as requests of ours carry it: PEM, or base64 of the DER. `provedKey` is the SPKI hash of the key
 * that the sender proved to hold in the handshake of this connection.
 * @throws CSR_TOO_LARGE, CSR_MALFORMED and what `parseCsr` throws
 */
export function parseRequestText(text: string, provedKey?: string): CertificateRequest {
  const input = text.startsWith('-----BEGIN ') ? text : decode(text)
  return parseCsr(input, provedKey === undefined ? DEFAULT_CSR_LIMITS : { ...DEFAULT_CSR_LIMITS, provedKey })
}

function decode(text: string): Bytes {
  if (text.length > MAX_TEXT) throw x509Error('CSR_TOO_LARGE', { details: { length: text.length } })
  try {
    return fromBase64(text)
  } catch (cause) {
    if (isWritError(cause)) throw x509Error('CSR_MALFORMED', { cause })
    throw cause
  }
}
