import { isWritError } from '#kernel/errors.ts'
import type { Instant } from '#kernel/instant.ts'
import type { Certificate } from '../certificate.ts'
import type { Crl } from '../crl/crl.ts'
import { verifyCrl } from '../crl/verify.ts'
import { x509Error } from '../errors.ts'

export interface AuthorityRevocation {
  readonly at: Instant
  /** Of whatever authorities; each counts for those that its issuer has signed. */
  readonly crls?: readonly Crl[] | undefined
  /** Refuses an intermediate of which no current CRL speaks. */
  readonly requireIntermediateCrl?: boolean | undefined
}

/**
 * RFC 5280 section 6.3 for the authorities between leaf and anchor, each by the CRLs of the one above it. A CRL whose
 * signature is not good does not exist. One that has run out cannot clear anybody any more, but whom it lists is dead.
 * @throws PATH_AUTHORITY_REVOKED, PATH_CRL_MISSING
 */
export function checkIntermediates(chain: readonly Certificate[], options: AuthorityRevocation): void {
  const { at, crls = [], requireIntermediateCrl = false } = options
  for (let index = 1; index < chain.length - 1; index++) {
    const [authority, issuer] = [chain[index], chain[index + 1]]
    if (authority === undefined || issuer === undefined) continue
    const signed = crls.filter((crl) => isSignedBy(crl, issuer))
    if (signed.some((crl) => crl.find(authority.serial) !== undefined)) throw x509Error('PATH_AUTHORITY_REVOKED')
    const isCleared = signed.some((crl) => speaksOf(authority, crl) && crl.isCurrent(at))
    if (requireIntermediateCrl && !isCleared) throw x509Error('PATH_CRL_MISSING')
  }
}

/**
 * A part of what an issuer has signed clears nobody of whom it does not say that he is in it: a partition by
 * distribution point those alone whose certificates name that point, octet for octet (section 6.3.3 b).
 */
function speaksOf(authority: Certificate, { scope }: Crl): boolean {
  if (scope?.only === 'userCertificates') return false
  const point = scope?.distributionPoint
  return point === undefined || (authority.extension('crlDistributionPoints')?.uris.includes(point) ?? false)
}

const verified = new WeakMap<Crl, Map<Certificate, boolean>>()

/** Once for each pair: both never change. */
function isSignedBy(crl: Crl, issuer: Certificate): boolean {
  const known = verified.get(crl) ?? new Map<Certificate, boolean>()
  verified.set(crl, known)
  const earlier = known.get(issuer)
  if (earlier !== undefined) return earlier
  const isGood = verifies(crl, issuer)
  if (known.size < MOST_ISSUERS) known.set(issuer, isGood)
  return isGood
}

/** Intermediates that clients send are new objects each time. */
const MOST_ISSUERS = 64

function verifies(crl: Crl, issuer: Certificate): boolean {
  try {
    verifyCrl(crl, issuer)
    return true
  } catch (error) {
    if (isWritError(error)) return false
    throw error
  }
}
