import { equal, type Bytes } from '#kernel/bytes.ts'
import { isWritError } from '#kernel/errors.ts'
import type { Instant } from '#kernel/instant.ts'
import { buildPath, parseCertificate, parseName, type Certificate } from '#x509/index.ts'
import { attestationError } from '../errors.ts'

/** tcg-kp-EKCertificate (TCG EK Credential Profile, 3.5.1.8). */
const EK_CERTIFICATE = '2.23.133.8.1'
const MANUFACTURER = '2.23.133.2.1'
const MODEL = '2.23.133.2.2'
/** RFC 4055 section 4.1: a key that may only be used with OAEP. */
const RSAES_OAEP = '1.2.840.113549.1.1.7'

const LIMITS = { maxBytes: 8 * 1024, maxExtensions: 24 }

/** What the maker says of the TPM, in the words of the certificate. */
export interface TpmMake {
  readonly manufacturers: readonly string[]
  readonly models: readonly string[]
}

/** The certificate of an endorsement key, its intermediates, and what it has to hold against. */
export interface EkCertificateCheck {
  readonly certificate: Bytes
  readonly chain: readonly Bytes[]
  readonly roots: readonly Certificate[]
  /** DER SubjectPublicKeyInfo of the endorsement key that the device has shown. */
  readonly ekSpki: Bytes
}

/**
 * A path from the certificate to a root of a manufacturer, and what it then says of the TPM. An empty subject and a
 * critical subjectAltName are usual here, an end in the year 9999 too.
 * @throws TPM_EK_CERTIFICATE_OAEP, TPM_EK_CERTIFICATE_OTHER_KEY, TPM_EK_CERTIFICATE_IS_AUTHORITY,
 * TPM_EK_CERTIFICATE_PURPOSE, TPM_EK_CERTIFICATE_EXPIRED, TPM_EK_CERTIFICATE_UNTRUSTED, and what `parseCertificate`
 * throws
 */
export function verifyEkCertificate({ certificate, chain, roots, ekSpki }: EkCertificateCheck, now: Instant): TpmMake {
  const leaf = parseLeaf(certificate)
  const intermediates = chain.map((der) => parseCertificate(der, LIMITS))
  checkLeaf(leaf, ekSpki)
  try {
    buildPath(leaf, intermediates, roots, { at: now, purpose: 'any' })
  } catch (cause) {
    if (!isWritError(cause)) throw cause
    const isExpired = cause.code === 'CERTIFICATE_EXPIRED'
    const code = isExpired ? 'TPM_EK_CERTIFICATE_EXPIRED' : 'TPM_EK_CERTIFICATE_UNTRUSTED'
    throw attestationError(code, { cause, details: { why: cause.code } })
  }
  return makeOf(leaf)
}

function parseLeaf(der: Bytes): Certificate {
  try {
    return parseCertificate(der, LIMITS)
  } catch (cause) {
    const isOaep = isWritError(cause, 'KEY_ALGORITHM_UNSUPPORTED') && cause.details['algorithm'] === RSAES_OAEP
    if (isOaep) throw attestationError('TPM_EK_CERTIFICATE_OAEP', { cause })
    throw cause
  }
}

function checkLeaf(leaf: Certificate, ekSpki: Bytes): void {
  const usages = leaf.extension('keyUsage')?.usages
  if (leaf.isAuthority || usages?.includes('keyCertSign') === true) {
    throw attestationError('TPM_EK_CERTIFICATE_IS_AUTHORITY')
  }
  if (!equal(leaf.publicKey.spki, ekSpki)) throw attestationError('TPM_EK_CERTIFICATE_OTHER_KEY')
  const purposes = leaf.extension('extKeyUsage')?.purposes
  if (purposes?.includes(EK_CERTIFICATE) !== true) throw attestationError('TPM_EK_CERTIFICATE_PURPOSE')
}

/** The directory names of its subjectAltName (TCG EK Credential Profile, 3.1.2). */
function makeOf(leaf: Certificate): TpmMake {
  const names = leaf.extension('subjectAltName')?.names ?? []
  const attributes = names.flatMap((name) => (name.type === 'directory' ? parseName(name.value).flat() : []))
  const texts = (wanted: string): readonly string[] =>
    attributes.flatMap(({ oid, text }) => (oid === wanted && text !== undefined && text !== '' ? [text] : []))
  return { manufacturers: texts(MANUFACTURER), models: texts(MODEL) }
}
