import { isWritError } from '#kernel/errors.ts'
import { SpiffeId } from '#spiffe/index.ts'
import type { Certificate } from './certificate.ts'
import type { X509ErrorCode } from './errors.ts'
import { PURPOSE } from './oids.ts'

/** A rule that a certificate breaks, as the code of its error. */
export type Finding = X509ErrorCode

/** The URIs among a certificate's names. */
export function uriNames(certificate: Certificate): readonly string[] {
  const names = certificate.extension('subjectAltName')?.names ?? []
  return names.filter((name) => name.type === 'uri').map((name) => name.value)
}

function isEmptyName(name: Uint8Array): boolean {
  return name.length === 2
}

function idFinding(certificate: Certificate): Finding | undefined {
  const [uri, ...others] = uriNames(certificate)
  if (uri === undefined || others.length > 0) return 'SVID_URI_COUNT'
  try {
    return SpiffeId.parse(uri).path === '' ? 'SVID_ID_WITHOUT_PATH' : undefined
  } catch (error) {
    if (isWritError(error)) return 'SVID_ID_INVALID'
    throw error
  }
}

/** One rule: what is wrong with the certificate, if anything is. */
type Rule = (certificate: Certificate) => Finding | undefined

/** The finding of a rule that is kept or not. */
function unless(finding: Finding, isKept: (certificate: Certificate) => boolean): Rule {
  return (certificate) => (isKept(certificate) ? undefined : finding)
}

function findingsOf(rules: readonly Rule[], certificate: Certificate): readonly Finding[] {
  const findings = rules.map((rule) => rule(certificate)).filter((finding) => finding !== undefined)
  return [...new Set(findings)]
}

function isSigner(certificate: Certificate): boolean {
  const usages = certificate.extension('keyUsage')?.usages ?? []
  return usages.includes('keyCertSign') || usages.includes('cRLSign')
}

const VALIDATOR_RULES: readonly Rule[] = [
  unless('SVID_IS_AUTHORITY', (certificate) => !certificate.isAuthority),
  unless('SVID_KEY_USAGE', (certificate) => !isSigner(certificate)),
  idFinding,
]

/** what every validator asks of a leaf (X509-SVID sections 2 and 5.2), in that order. */
export function leafFindings(certificate: Certificate): readonly Finding[] {
  return findingsOf(VALIDATOR_RULES, certificate)
}

function signsAndSaysSo(certificate: Certificate): boolean {
  const keyUsage = certificate.extension('keyUsage')
  return keyUsage?.critical === true && keyUsage.usages.includes('digitalSignature')
}

function servesBothEnds(certificate: Certificate): boolean {
  const purposes = certificate.extension('extKeyUsage')?.purposes ?? []
  return purposes.includes(PURPOSE.serverAuth) && purposes.includes(PURPOSE.clientAuth)
}

function namesItsSubject(certificate: Certificate): boolean {
  return !isEmptyName(certificate.subject) || certificate.extension('subjectAltName')?.critical === true
}

function namesIssuerKey(certificate: Certificate): boolean {
  const extension = certificate.extension('authorityKeyIdentifier')
  return extension?.keyIdentifier !== undefined && !extension.critical
}

const ISSUER_RULES: readonly Rule[] = [
  ...VALIDATOR_RULES,
  unless('SVID_KEY_USAGE', signsAndSaysSo),
  unless('SVID_EXTENDED_KEY_USAGE', servesBothEnds),
  unless('SVID_SUBJECT', namesItsSubject),
  unless('SVID_KEY_IDENTIFIER', namesIssuerKey),
]

/** and C9 beside `leafFindings`: what an issuer owes (X509-SVID sections 3.1 and 4). */
export function issuedLeafFindings(certificate: Certificate): readonly Finding[] {
  return findingsOf(ISSUER_RULES, certificate)
}

function authorityIdFinding(certificate: Certificate): Finding | undefined {
  const [uri, ...others] = uriNames(certificate)
  if (uri === undefined) return undefined
  if (others.length > 0) return 'SVID_URI_COUNT'
  try {
    return SpiffeId.parse(uri).path === '' ? undefined : 'SVID_ID_INVALID'
  } catch (error) {
    if (isWritError(error)) return 'SVID_ID_INVALID'
    throw error
  }
}

function isPlainAuthority(certificate: Certificate): boolean {
  const constraints = certificate.extension('basicConstraints')
  return constraints?.ca === true && constraints.critical
}

function onlySignsCertificates(certificate: Certificate): boolean {
  const keyUsage = certificate.extension('keyUsage')
  const usages = keyUsage?.usages ?? []
  const only = usages.every((usage) => usage === 'keyCertSign' || usage === 'cRLSign')
  return keyUsage?.critical === true && only && usages.includes('keyCertSign')
}

function namesOwnKey(certificate: Certificate): boolean {
  return certificate.extension('subjectKeyIdentifier')?.critical === false
}

const AUTHORITY_RULES: readonly Rule[] = [
  unless('PATH_ISSUER_NOT_AUTHORITY', isPlainAuthority),
  unless('PATH_KEY_USAGE', onlySignsCertificates),
  unless('SVID_KEY_IDENTIFIER', namesOwnKey),
  authorityIdFinding,
]

/** C10 to C12: what a signing certificate owes (X509-SVID sections 3.2, 4.1 and 4.3). */
export function authorityFindings(certificate: Certificate): readonly Finding[] {
  return findingsOf(AUTHORITY_RULES, certificate)
}
