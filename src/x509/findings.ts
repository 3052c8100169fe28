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

/** what every validator asks of a leaf (X509-SVID sections 2 and 5.2), in that order. */
export function leafFindings(certificate: Certificate): readonly Finding[] {
  const usages = certificate.extension('keyUsage')?.usages ?? []
  const signs = usages.includes('keyCertSign') || usages.includes('cRLSign')
  const findings: (Finding | undefined)[] = [
    certificate.isAuthority ? 'SVID_IS_AUTHORITY' : undefined,
    signs ? 'SVID_KEY_USAGE' : undefined,
    idFinding(certificate),
  ]
  return findings.filter((finding) => finding !== undefined)
}

/** and C9 beside `leafFindings`: what an issuer owes (X509-SVID sections 3.1 and 4). */
export function issuedLeafFindings(certificate: Certificate): readonly Finding[] {
  const keyUsage = certificate.extension('keyUsage')
  const altName = certificate.extension('subjectAltName')
  const purposes = certificate.extension('extKeyUsage')?.purposes
  const signs = keyUsage?.critical === true && keyUsage.usages.includes('digitalSignature')
  const bothWays = purposes?.includes(PURPOSE.serverAuth) === true && purposes.includes(PURPOSE.clientAuth)
  const issuerKey = certificate.extension('authorityKeyIdentifier')
  const findings: (Finding | undefined)[] = [
    signs ? undefined : 'SVID_KEY_USAGE',
    bothWays ? undefined : 'SVID_EXTENDED_KEY_USAGE',
    isEmptyName(certificate.subject) && altName?.critical !== true ? 'SVID_SUBJECT' : undefined,
    issuerKey?.keyIdentifier === undefined || issuerKey.critical ? 'SVID_KEY_IDENTIFIER' : undefined,
  ]
  return [...new Set([...leafFindings(certificate), ...findings.filter((finding) => finding !== undefined)])]
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

/** C10 to C12: what a signing certificate owes (X509-SVID sections 3.2, 4.1 and 4.3). */
export function authorityFindings(certificate: Certificate): readonly Finding[] {
  const basic = certificate.extension('basicConstraints')
  const keyUsage = certificate.extension('keyUsage')
  const signsOnly = keyUsage?.usages.every((usage) => usage === 'keyCertSign' || usage === 'cRLSign') === true
  const ownKey = certificate.extension('subjectKeyIdentifier')
  const findings: (Finding | undefined)[] = [
    basic?.ca === true && basic.critical ? undefined : 'PATH_ISSUER_NOT_AUTHORITY',
    keyUsage?.critical === true && signsOnly && keyUsage.usages.includes('keyCertSign') ? undefined : 'PATH_KEY_USAGE',
    ownKey === undefined || ownKey.critical ? 'SVID_KEY_IDENTIFIER' : undefined,
    authorityIdFinding(certificate),
  ]
  return findings.filter((finding) => finding !== undefined)
}
