import { toHex, type Bytes } from '#kernel/bytes.ts'
import { sha256 } from '#kernel/digest.ts'
import type { Instant } from '#kernel/instant.ts'
import type { AlgorithmIdentifier } from '../keys/signature-algorithm.ts'
import { readCrl, type CrlParts } from './read.ts'
import { atOnce, inSlices, type Pause, type Steps } from './steps.ts'
import type { CrlLimits, CrlScope, RevokedCertificate } from './types.ts'

export const DEFAULT_CRL_LIMITS: CrlLimits = { maxBytes: 16 * 1024 * 1024, maxEntries: 200_000 }

/**
 * A CRL that is well formed by RFC 5280 section 5 and within what we issue: complete, of one issuer, with its number
 * and its end. Nothing is said about who signed it: that is what `verifyCrl` says.
 */
export class Crl {
  readonly der: Bytes
  readonly #parts: CrlParts
  #bySerial: ReadonlyMap<string, RevokedCertificate> | undefined

  private constructor(der: Bytes, parts: CrlParts) {
    this.der = der
    this.#parts = parts
  }

  /** See `parseCrl`. */
  static parse(der: Bytes, limits: CrlLimits): Crl {
    return atOnce(Crl.parsing(der, limits))
  }

  static *parsing(der: Bytes, limits: CrlLimits): Steps<Crl> {
    return new Crl(der, yield* readCrl(der, limits))
  }

  /** The exact octets that the signature covers. */
  get tbs(): Bytes {
    return this.#parts.tbs
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

  get authorityKeyIdentifier(): Bytes {
    return this.#parts.authorityKeyIdentifier
  }

  get thisUpdate(): Instant {
    return this.#parts.thisUpdate
  }

  get nextUpdate(): Instant {
    return this.#parts.nextUpdate
  }

  get number(): bigint {
    return this.#parts.number
  }

  /** Undefined when it covers everything that its issuer signed. */
  get scope(): CrlScope | undefined {
    return this.#parts.scope
  }

  /** In the order of the CRL. */
  get entries(): readonly RevokedCertificate[] {
    return this.#parts.entries
  }

  /** SHA-256 of the CRL. */
  get fingerprint(): Bytes {
    return sha256(this.der)
  }

  /** By the contents octets of a serial number. */
  find(serial: Bytes): RevokedCertificate | undefined {
    this.#bySerial ??= new Map(this.#parts.entries.map((entry) => [toHex(entry.serial), entry]))
    return this.#bySerial.get(toHex(serial))
  }

  /** Whether a relying party may go by it at this moment. */
  isCurrent(now: Instant): boolean {
    return this.thisUpdate <= now && now < this.nextUpdate
  }
}

/**
 * Strict DER, version 2, complete and direct, limits before anything is read. Views into `der` are kept: it must not be
 * changed after.
 * @throws CRL_TOO_LARGE, CRL_MALFORMED, CRL_VERSION, CRL_ALGORITHM, CRL_ISSUER, CRL_TIME, CRL_ENTRY, CRL_EXTENSION,
 * CRL_DELTA, CERTIFICATE_DUPLICATE_EXTENSION, CERTIFICATE_TOO_MANY_EXTENSIONS, CERTIFICATE_EXTENSION
 */
export function parseCrl(der: Bytes, limits: CrlLimits = DEFAULT_CRL_LIMITS): Crl {
  return Crl.parse(der, limits)
}

/** The same for a CRL that may be very long: others have their turn while it is read. @throws as parseCrl */
export function parseCrlInSlices(der: Bytes, limits: CrlLimits, pause: Pause): Promise<Crl> {
  return inSlices(Crl.parsing(der, limits), pause)
}
