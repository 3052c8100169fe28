import { earliest, type Instant, type Milliseconds } from '#kernel/instant.ts'
import type { Certificate } from '../certificate.ts'
import { x509Error } from '../errors.ts'
import type { NameConstraints } from '../extensions/types.ts'
import { OID, PURPOSE, type Purpose } from '../oids.ts'
import { checkIntermediates, type AuthorityRevocation } from './authority-revocation.ts'
import { constrainedNames, isAllowed } from './name-constraints.ts'

export interface PathOptions extends AuthorityRevocation {
  /** What the leaf is used for; `any` makes no demand on usages, as for checking an authority. */
  readonly purpose: Purpose
  /** How long after its expiry a chain passes, marked as expired. Nothing when absent. */
  readonly expiryGrace?: Milliseconds | undefined
}

/** Leaf first, anchor last. */
export type Chain = readonly [Certificate, ...Certificate[], Certificate]

export interface Validity {
  /** The last moment at which every certificate of the chain, the anchor included, is valid. */
  readonly expiresAt: Instant
  readonly expired: boolean
}

/**
 * RFC 5280 section 6.1 for a chain whose signatures, issuers and authorities have been checked link by link. The
 * anchor's own constraints and validity bind too, as OpenSSL and Go have it. Time comes last, so that an expiry is
 * reported only when nothing else is wrong.
 */
export function validateChain(chain: Chain, options: PathOptions): Validity {
  checkCriticalExtensions(chain)
  checkPathLengths(chain)
  checkNames(chain)
  checkUsages(chain, options.purpose)
  checkIntermediates(chain, options)
  return checkValidity(chain, options)
}

/**
 * Policies are not asked for (any-policy is acceptable), so certificatePolicies is satisfied by being there; the
 * extensions that restrict policies are not processed and so refused when critical, which RFC 5280 makes them.
 */
function checkCriticalExtensions(chain: Chain): void {
  for (const certificate of chain) {
    for (const extension of certificate.extensions) {
      if (extension.kind !== 'other' || !extension.critical || extension.oid === OID.certificatePolicies) continue
      throw x509Error('PATH_CRITICAL_EXTENSION', { details: { oid: extension.oid } })
    }
  }
}

function isSelfIssued(certificate: Certificate): boolean {
  return Buffer.compare(certificate.issuer, certificate.subject) === 0
}

/** 6.1.4 (l) and (m): intermediates that are not self-issued count, the anchor and the leaf do not. */
function checkPathLengths(chain: Chain): void {
  let remaining = Number.POSITIVE_INFINITY
  for (let index = chain.length - 1; index > 0; index--) {
    const authority = chain[index]
    if (authority === undefined) continue
    const counts = index < chain.length - 1 && !isSelfIssued(authority)
    if (counts && remaining === 0) throw x509Error('PATH_LENGTH_CONSTRAINT')
    if (counts) remaining--
    remaining = Math.min(remaining, authority.extension('basicConstraints')?.pathLength ?? remaining)
  }
}

/** 6.1.3 (b) and (c): what every authority above allows; self-issued intermediates are exempt, the leaf never. */
function checkNames(chain: Chain): void {
  const constraints: NameConstraints[] = []
  for (let index = chain.length - 1; index >= 0; index--) {
    const certificate = chain[index]
    if (certificate === undefined) continue
    const exempt = index > 0 && isSelfIssued(certificate)
    if (!exempt && constraints.length > 0) checkAgainst(certificate, constraints)
    const own = certificate.extension('nameConstraints')
    if (index > 0 && own !== undefined) constraints.push(own)
  }
}

function checkAgainst(certificate: Certificate, constraints: readonly NameConstraints[]): void {
  const names = constrainedNames(certificate)
  if (!constraints.every((constraint) => isAllowed(names, constraint))) throw x509Error('PATH_NAME_CONSTRAINT')
}

/** The leaf's key usage, and an extended key usage that, where an authority has one, bounds what is below it. */
function checkUsages(chain: Chain, purpose: Purpose): void {
  if (purpose === 'any') return
  const usages = chain[0].extension('keyUsage')?.usages
  if (usages !== undefined && !usages.includes('digitalSignature')) throw x509Error('PATH_KEY_USAGE')
  for (const certificate of chain) {
    const purposes = certificate.extension('extKeyUsage')?.purposes
    if (purposes === undefined || purposes.includes(PURPOSE[purpose]) || purposes.includes(PURPOSE.any)) continue
    throw x509Error('PATH_EXTENDED_KEY_USAGE')
  }
}

function checkValidity(chain: Chain, { at, expiryGrace = 0 }: PathOptions): Validity {
  if (chain.some(({ notBefore }) => at < notBefore)) throw x509Error('CERTIFICATE_NOT_YET_VALID')
  const [leaf, ...authorities] = chain
  const expiresAt = earliest(leaf.notAfter, ...authorities.map(({ notAfter }) => notAfter))
  if (at > expiresAt + expiryGrace) throw x509Error('CERTIFICATE_EXPIRED')
  return { expiresAt, expired: at > expiresAt }
}
