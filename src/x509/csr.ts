import { toHex, type Bytes } from '#kernel/bytes.ts'
import { sha256 } from '#kernel/digest.ts'
import { isWritError } from '#kernel/errors.ts'
import { SpiffeId } from '#spiffe/index.ts'
import { x509Error } from './errors.ts'
import type { PublicKey } from './keys/public-key.ts'
import { parsePublicKey } from './keys/public-key.ts'
import { fromPem, type PemLabel } from './pem.ts'
import { readCsr } from './read-csr.ts'

export interface CsrLimits {
  readonly maxBytes: number
  /**
   * The key, by its SPKI hash in hex, that the sender has just proved to hold over the same connection; a request for
   * this very key needs no other proof, and its signature is not verified (decision 0008).
   */
  readonly provedKey?: string
}

export const DEFAULT_CSR_LIMITS: CsrLimits = { maxBytes: 16 * 1024 }

/** PEM adds a third, line ends and two labels. */
const PEM_OVERHEAD = 1.5

/**
 * A PKCS #10 request (RFC 2986) whose sender has shown that it holds the key. One that exists is proof of that; of
 * everything else in the request only the SPIFFE ID is kept, and it is a wish.
 */
export class CertificateRequest {
  readonly #proved = true
  readonly der: Bytes
  readonly publicKey: PublicKey
  readonly requestedSpiffeId: SpiffeId | undefined
  #digest: Bytes | undefined

  private constructor(der: Bytes, publicKey: PublicKey, requestedSpiffeId: SpiffeId | undefined) {
    this.der = der
    this.publicKey = publicKey
    this.requestedSpiffeId = requestedSpiffeId
  }

  /** See `parseCsr`. */
  static parse(input: Bytes | string, limits: CsrLimits): CertificateRequest {
    const der = toDer(input, limits)
    const fields = readCsr(der)
    const algorithm = fields.signatureAlgorithm.name
    if (algorithm === undefined) {
      throw x509Error('CSR_ALGORITHM_UNSUPPORTED', { details: { algorithm: fields.signatureAlgorithm.oid } })
    }
    const requestedSpiffeId = requestedId(fields.uris)
    const publicKey = parsePublicKey(fields.spki)
    const isProved = limits.provedKey !== undefined && toHex(publicKey.spkiHash) === limits.provedKey
    if (!isProved && !publicKey.verify(algorithm, fields.info, fields.signature)) {
      throw x509Error('CSR_SIGNATURE_INVALID')
    }
    return new CertificateRequest(der, publicKey, requestedSpiffeId)
  }

  /** SHA-256 of the DER: the name of this very request. */
  get digest(): Bytes {
    this.#digest ??= sha256(this.der)
    return this.#digest
  }

  /** Whether the value was made by `parse`, for the places that types do not reach. */
  static isRequest(value: unknown): value is CertificateRequest {
    return typeof value === 'object' && value !== null && #proved in value
  }
}

/**
 * A request in DER or, as text, in PEM. Size, structure and key are judged before its signature is verified.
 * @throws CSR_TOO_LARGE, PEM_MALFORMED, CSR_MALFORMED, CSR_MUST_STAPLE, CSR_ALGORITHM_UNSUPPORTED, CSR_SEVERAL_IDS,
 * CSR_ID_INVALID, CSR_SIGNATURE_INVALID and the KEY_… of `parsePublicKey`
 */
export function parseCsr(input: Bytes | string, limits: CsrLimits = DEFAULT_CSR_LIMITS): CertificateRequest {
  return CertificateRequest.parse(input, limits)
}

function toDer(input: Bytes | string, { maxBytes }: CsrLimits): Bytes {
  const limit = typeof input === 'string' ? maxBytes * PEM_OVERHEAD : maxBytes
  if (input.length > limit) throw tooLarge(input.length)
  const der = typeof input === 'string' ? fromPem(labelOf(input), input) : input
  if (der.length > maxBytes) throw tooLarge(der.length)
  return der
}

function tooLarge(length: number) {
  return x509Error('CSR_TOO_LARGE', { details: { length } })
}

/** GnuTLS and older tools write NEW; RFC 7468 section 7 lets readers take it for the same. */
function labelOf(text: string): PemLabel {
  return text.includes('BEGIN NEW ') ? 'NEW CERTIFICATE REQUEST' : 'CERTIFICATE REQUEST'
}

function requestedId(uris: readonly string[]): SpiffeId | undefined {
  const [uri, ...others] = uris
  if (uri === undefined) return undefined
  if (others.length > 0) throw x509Error('CSR_SEVERAL_IDS')
  try {
    return SpiffeId.parse(uri)
  } catch (cause) {
    if (isWritError(cause)) throw x509Error('CSR_ID_INVALID', { cause })
    throw cause
  }
}
