import type { Instant } from '#kernel/instant.ts'
import { isWritError } from '#kernel/errors.ts'
import type { Certificate } from '../certificate.ts'
import { x509Error, type X509ErrorCode } from '../errors.ts'
import { isSameEntity, LinkChecker, mayHaveIssued } from './links.ts'
import { validateChain, type Chain, type PathOptions, type Validity } from './validate.ts'

/** Certificates of a path, leaf and anchor included. Root rotation needs four. */
export const MAX_PATH_CERTIFICATES = 6
const MAX_INTERMEDIATES = 16

/** A chain that passed RFC 5280 section 6.1 at one moment. Only `buildPath` makes one. */
export class VerifiedPath {
  readonly #chain: Chain
  readonly #validity: Validity

  private constructor(chain: Chain, validity: Validity) {
    this.#chain = chain
    this.#validity = validity
  }

  /** See `buildPath`. */
  static build(
    leaf: Certificate,
    intermediates: readonly Certificate[],
    anchors: readonly Certificate[],
    options: PathOptions,
  ): VerifiedPath {
    if (intermediates.length > MAX_INTERMEDIATES) throw x509Error('PATH_TOO_LONG')
    const failures = new Failures()
    const pool = { intermediates, anchors, links: new LinkChecker(), failures }
    for (const chain of chainsFrom([leaf], pool)) {
      const validity = failures.keep(() => validateChain(chain, options))
      if (validity !== undefined) return new VerifiedPath(chain, validity)
    }
    throw failures.worthTelling()
  }

  /** Leaf first, anchor last. */
  get certificates(): readonly Certificate[] {
    return this.#chain
  }

  get leaf(): Certificate {
    return this.#chain[0]
  }

  /** Who signed the leaf. */
  get issuer(): Certificate {
    return this.#chain[1]
  }

  get anchor(): Certificate {
    return this.#chain.at(-1) ?? this.#chain[1]
  }

  /** The last moment at which every certificate of the chain, the anchor included, is valid. */
  get expiresAt(): Instant {
    return this.#validity.expiresAt
  }

  /** True only when the caller allowed a grace and the chain is within it. */
  get expired(): boolean {
    return this.#validity.expired
  }
}

/**
 * Finds a chain from the leaf over any of the intermediates to one of the anchors, and validates it (RFC 5280
 * section 6.1). Anchors are trusted because they are given; the leaf itself is never one. Of several chains the first
 * valid one is taken; when there is none, the error is that of the chain that came farthest, so CERTIFICATE_EXPIRED
 * means that nothing else is wrong. Time and signature checks are bounded whatever is given.
 * @throws PATH_…, CERTIFICATE_EXPIRED, CERTIFICATE_NOT_YET_VALID
 */
export function buildPath(
  leaf: Certificate,
  intermediates: readonly Certificate[],
  anchors: readonly Certificate[],
  options: PathOptions,
): VerifiedPath {
  return VerifiedPath.build(leaf, intermediates, anchors, options)
}

interface Pool {
  readonly intermediates: readonly Certificate[]
  readonly anchors: readonly Certificate[]
  readonly links: LinkChecker
  readonly failures: Failures
}

/** Depth first: every chain that begins so and ends in an anchor, its links checked as it grows. */
function* chainsFrom(start: readonly [Certificate, ...Certificate[]], pool: Pool): Generator<Chain> {
  for (const anchor of pool.anchors) {
    if (extendsChain(start, anchor, pool)) yield [...start, anchor]
  }
  for (const intermediate of pool.intermediates) {
    if (!extendsChain(start, intermediate, pool)) continue
    if (start.length + 2 > MAX_PATH_CERTIFICATES) pool.failures.add('PATH_TOO_LONG')
    else yield* chainsFrom([...start, intermediate], pool)
  }
}

function extendsChain(chain: readonly Certificate[], issuer: Certificate, pool: Pool): boolean {
  const last = chain.at(-1)
  if (last === undefined || !mayHaveIssued(issuer, last)) return false
  if (chain.some((certificate) => isSameEntity(certificate, issuer))) return false
  const fault = pool.links.fault(issuer, last)
  if (fault !== undefined) pool.failures.add(fault)
  return fault === undefined
}

/** From the farthest that a chain can come to the nearest. */
const TELLING: readonly X509ErrorCode[] = [
  'CERTIFICATE_EXPIRED',
  'CERTIFICATE_NOT_YET_VALID',
  'PATH_AUTHORITY_REVOKED',
  'PATH_CRL_MISSING',
  'PATH_EXTENDED_KEY_USAGE',
  'PATH_KEY_USAGE',
  'PATH_NAME_CONSTRAINT',
  'PATH_LENGTH_CONSTRAINT',
  'PATH_CRITICAL_EXTENSION',
  'PATH_TOO_LONG',
  'PATH_ALGORITHM_WEAK',
  'PATH_ISSUER_NOT_AUTHORITY',
  'PATH_SIGNATURE_INVALID',
]

/** What went wrong with the chains that were tried. */
class Failures {
  readonly #seen = new Map<string, Error>()

  add(code: X509ErrorCode): void {
    if (!this.#seen.has(code)) this.#seen.set(code, x509Error(code))
  }

  keep<Value>(attempt: () => Value): Value | undefined {
    try {
      return attempt()
    } catch (error) {
      if (!isWritError(error)) throw error
      if (!this.#seen.has(error.code)) this.#seen.set(error.code, error)
      return undefined
    }
  }

  worthTelling(): Error {
    for (const code of TELLING) {
      const error = this.#seen.get(code)
      if (error !== undefined) return error
    }
    return x509Error('PATH_NOT_FOUND')
  }
}
