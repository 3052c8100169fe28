import { toHex } from '#kernel/bytes.ts'
import type { Certificate } from '../certificate.ts'
import { x509Error, type X509ErrorCode } from '../errors.ts'

const MAX_SIGNATURES = 100
const MAX_LINKS = 1000

/** What is wrong with a link from a certificate to a possible issuer, if anything is. */
export type LinkFault = Extract<
  X509ErrorCode,
  'PATH_ISSUER_NOT_AUTHORITY' | 'PATH_SIGNATURE_INVALID' | 'PATH_ALGORITHM_WEAK'
>

/** Whether the names fit (C4: byte for byte) and, where both certificates say so, the key identifiers. */
export function mayHaveIssued(issuer: Certificate, certificate: Certificate): boolean {
  if (Buffer.compare(issuer.subject, certificate.issuer) !== 0) return false
  const wanted = certificate.extension('authorityKeyIdentifier')?.keyIdentifier
  const own = issuer.extension('subjectKeyIdentifier')?.keyIdentifier
  return wanted === undefined || own === undefined || Buffer.compare(wanted, own) === 0
}

/** One entity under two certificates: a chain in which it comes twice goes in a circle. */
export function isSameEntity(left: Certificate, right: Certificate): boolean {
  return (
    Buffer.compare(left.subject, right.subject) === 0 && Buffer.compare(left.publicKey.spki, right.publicKey.spki) === 0
  )
}

/** Checks links and keeps the account: each signature is verified once, and only so many are verified at all. */
export class LinkChecker {
  readonly #verified = new Map<string, boolean>()
  #links = 0

  /** @throws PATH_TOO_COSTLY */
  fault(issuer: Certificate, certificate: Certificate): LinkFault | undefined {
    this.#links++
    if (this.#links > MAX_LINKS) throw x509Error('PATH_TOO_COSTLY')
    if (!isIssuingAuthority(issuer)) return 'PATH_ISSUER_NOT_AUTHORITY'
    if (certificate.signatureAlgorithm.name === undefined) return 'PATH_ALGORITHM_WEAK'
    return this.#isSignedBy(issuer, certificate) ? undefined : 'PATH_SIGNATURE_INVALID'
  }

  #isSignedBy(issuer: Certificate, certificate: Certificate): boolean {
    const key = `${toHex(certificate.fingerprint)} ${toHex(issuer.publicKey.spkiHash)}`
    const known = this.#verified.get(key)
    if (known !== undefined) return known
    if (this.#verified.size === MAX_SIGNATURES) throw x509Error('PATH_TOO_COSTLY')
    const { name } = certificate.signatureAlgorithm
    const valid = name !== undefined && issuer.publicKey.verify(name, certificate.tbs, certificate.signature)
    this.#verified.set(key, valid)
    return valid
  }
}

/** RFC 5280 section 6.1.4 (k) and (n). */
function isIssuingAuthority(issuer: Certificate): boolean {
  const usages = issuer.extension('keyUsage')?.usages
  return issuer.isAuthority && (usages === undefined || usages.includes('keyCertSign'))
}
