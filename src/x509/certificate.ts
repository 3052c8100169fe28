import type { Bytes } from '#kernel/bytes.ts'
import { sha256 } from '#kernel/digest.ts'
import type { Instant } from '#kernel/instant.ts'
import { readCertificate, type CertificateParts } from './read-certificate.ts'
import type { Extension, ExtensionOf, KnownExtensionKind } from './extensions/types.ts'
import type { PublicKey } from './keys/public-key.ts'
import type { AlgorithmIdentifier } from './keys/signature-algorithm.ts'

export interface CertificateLimits {
  readonly maxBytes: number
  readonly maxExtensions: number
  /** The object identifier of our private extension where it is not `ATTESTATION_OID`. */
  readonly attestationOid?: string | undefined
}

export const DEFAULT_CERTIFICATE_LIMITS: CertificateLimits = { maxBytes: 16 * 1024, maxExtensions: 32 }

/**
 * A certificate that is well formed by RFC 5280 section 4 (C1 to C8). Nothing is said about who signed it: that is
 * what `buildPath` and `verifyX509Svid` say.
 */
export class Certificate {
  readonly der: Bytes
  readonly #parts: CertificateParts
  #fingerprint: Bytes | undefined

  private constructor(der: Bytes, parts: CertificateParts) {
    this.der = der
    this.#parts = parts
  }

  /** See `parseCertificate`. */
  static parse(der: Bytes, limits: CertificateLimits): Certificate {
    return new Certificate(der, readCertificate(der, limits))
  }

  /** The exact octets that the signature covers. */
  get tbs(): Bytes {
    return this.#parts.tbs
  }

  /** Contents octets of the INTEGER: positive, at most 20, with a leading zero where the first bit is set. */
  get serial(): Bytes {
    return this.#parts.serial
  }

  get signatureAlgorithm(): AlgorithmIdentifier {
    return this.#parts.signatureAlgorithm
  }

  get signature(): Bytes {
    return this.#parts.signature
  }

  /** DER Name. */
  get issuer(): Bytes {
    return this.#parts.issuer
  }

  /** DER Name, which may be empty. */
  get subject(): Bytes {
    return this.#parts.subject
  }

  get notBefore(): Instant {
    return this.#parts.notBefore
  }

  /** Inclusive. */
  get notAfter(): Instant {
    return this.#parts.notAfter
  }

  get publicKey(): PublicKey {
    return this.#parts.publicKey
  }

  /** In the order of the certificate. */
  get extensions(): readonly Extension[] {
    return this.#parts.extensions
  }

  /** SHA-256 of the certificate. */
  get fingerprint(): Bytes {
    this.#fingerprint ??= sha256(this.der)
    return this.#fingerprint
  }

  extension<Kind extends KnownExtensionKind>(kind: Kind): ExtensionOf<Kind> | undefined {
    return this.#parts.extensions.find((extension): extension is ExtensionOf<Kind> => extension.kind === kind)
  }

  get isAuthority(): boolean {
    return this.extension('basicConstraints')?.ca === true
  }
}

/**
 * Strict DER, version 3, limits before anything is computed. Views into `der` are kept: it must not be changed after.
 * @throws CERTIFICATE_TOO_LARGE, CERTIFICATE_MALFORMED, CERTIFICATE_VERSION, CERTIFICATE_SERIAL,
 * CERTIFICATE_ALGORITHM, CERTIFICATE_NAME, CERTIFICATE_VALIDITY, CERTIFICATE_UNIQUE_ID, CERTIFICATE_EXTENSION,
 * CERTIFICATE_DUPLICATE_EXTENSION, CERTIFICATE_TOO_MANY_EXTENSIONS, and the KEY_… of `parsePublicKey`
 */
export function parseCertificate(der: Bytes, limits: CertificateLimits = DEFAULT_CERTIFICATE_LIMITS): Certificate {
  return Certificate.parse(der, limits)
}
