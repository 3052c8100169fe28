import type { Bytes } from '#kernel/bytes.ts'
import { isWritError } from '#kernel/errors.ts'
import { assembleCertificate, DEFAULT_CERTIFICATE_LIMITS, parseCertificate, type Certificate } from '#x509/index.ts'
import { issuanceError } from '../errors.ts'
import { algorithm } from './algorithm.ts'
import { alternativeNames } from './alternative-names.ts'
import { attestation } from './attestation.ts'
import { authorityKeyIdentifier } from './authority-key-identifier.ts'
import { basicConstraints } from './basic-constraints.ts'
import { extendedKeyUsage } from './extended-key-usage.ts'
import { extensions } from './extensions.ts'
import { issuerName } from './issuer-name.ts'
import { keyUsage } from './key-usage.ts'
import { nameConstraints } from './name-constraints.ts'
import { ocspNoCheck } from './ocsp-no-check.ts'
import { publicKey } from './public-key.ts'
import type { Expected, Rule } from './rule.ts'
import { serial } from './serial.ts'
import { spiffeId } from './spiffe-id.ts'
import { status } from './status.ts'
import { subject } from './subject.ts'
import { subjectKeyIdentifier } from './subject-key-identifier.ts'
import { validity } from './validity.ts'
import { withinIssuer } from './within-issuer.ts'

/** Every rule. What a strict parser refuses anyway (version, DER, duplicate extensions, weak keys) is not repeated. */
export const RULES: readonly Rule[] = [
  serial,
  issuerName,
  algorithm,
  validity,
  withinIssuer,
  subject,
  publicKey,
  extensions,
  basicConstraints,
  keyUsage,
  extendedKeyUsage,
  spiffeId,
  alternativeNames,
  authorityKeyIdentifier,
  subjectKeyIdentifier,
  status,
  attestation,
  nameConstraints,
  ocspNoCheck,
]

/** The names of the rules that a certificate breaks. */
export function brokenRules(certificate: Certificate, expected: Expected): readonly string[] {
  return RULES.filter((rule) => !rule.holds(certificate, expected)).map(({ name }) => name)
}

/** Reads a signed certificate as a stranger would and judges it. @throws LINT_FAILED */
export function lintCertificate(der: Bytes, expected: Expected): Certificate {
  const certificate = parsed(der, expected)
  const broken = brokenRules(certificate, expected)
  if (broken.length > 0) throw issuanceError('LINT_FAILED', { details: { rules: broken.join(' ') } })
  return certificate
}

/** Judges what is about to be signed, as the certificate that it will be with an empty signature. @throws LINT_FAILED */
export function lintTbs(tbs: Bytes, expected: Expected): void {
  lintCertificate(assembleCertificate(tbs, expected.issuer.algorithm, new Uint8Array(0)), expected)
}

/**
 * Reads what leaves. The rules look at what is signed and nothing else, so that they hold for it when it is octet for
 * octet what `lintTbs` judged, which is for the caller to compare. @throws LINT_FAILED when it cannot be read
 */
export function readSigned(der: Bytes, expected: Expected): Certificate {
  return parsed(der, expected)
}

function parsed(der: Bytes, { attestationOid }: Expected): Certificate {
  try {
    return parseCertificate(der, { ...DEFAULT_CERTIFICATE_LIMITS, attestationOid })
  } catch (cause) {
    if (!isWritError(cause)) throw cause
    throw issuanceError('LINT_FAILED', { details: { rules: cause.code }, cause })
  }
}
