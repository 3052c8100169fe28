import { equal } from '#kernel/bytes.ts'
import type { Certificate } from '../certificate.ts'
import { x509Error } from '../errors.ts'
import type { Crl } from './crl.ts'

/**
 * That this certificate's key signed the CRL, and might (R1, R4, R11): its subject is the CRL's issuer byte for byte,
 * its key the one that is named, its usage includes cRLSign. Whether the certificate is trusted, and the CRL current,
 * is the caller's to know.
 * @throws CRL_ISSUER, CRL_ALGORITHM, CRL_SIGNATURE_INVALID
 */
export function verifyCrl(crl: Crl, issuer: Certificate): void {
  const usages = issuer.extension('keyUsage')?.usages ?? []
  const keyIdentifier = issuer.extension('subjectKeyIdentifier')?.keyIdentifier ?? issuer.publicKey.keyIdentifier
  const isIssuer = equal(crl.issuer, issuer.subject) && equal(crl.authorityKeyIdentifier, keyIdentifier)
  if (!isIssuer || !usages.includes('cRLSign')) throw x509Error('CRL_ISSUER')
  const algorithm = crl.signatureAlgorithm.name
  if (algorithm === undefined) throw x509Error('CRL_ALGORITHM')
  if (!issuer.publicKey.verify(algorithm, crl.tbs, crl.signature)) throw x509Error('CRL_SIGNATURE_INVALID')
}
