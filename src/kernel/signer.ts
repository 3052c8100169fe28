import type { SignatureAlgorithm } from './algorithms.ts'
import type { Bytes } from './bytes.ts'

/**
 * A private key that can be used and not read. Whoever holds one promises that `sign` returns the X.509 form of the
 * signature (DER ECDSA-Sig-Value, or the RSA octets); `jwt` converts to the fixed-length JOSE form.
 */
export interface Signer {
  readonly algorithm: SignatureAlgorithm
  /** DER SubjectPublicKeyInfo. */
  readonly publicKey: Bytes
  /** Rejects when the key's home is unavailable; the caller fails closed. */
  sign(message: Bytes): Promise<Bytes>
}
