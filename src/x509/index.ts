export { X509_ERRORS, x509Error, type X509ErrorCode } from './errors.ts'
export { Certificate, DEFAULT_CERTIFICATE_LIMITS, parseCertificate, type CertificateLimits } from './certificate.ts'
export { Crl, DEFAULT_CRL_LIMITS, parseCrl, parseCrlInSlices } from './crl/crl.ts'
export { assembleCrl, createCrl, encodeTbsCrl, encodeTbsCrlInSlices, type CrlTemplate } from './crl/encode.ts'
export { CrlEntry } from './crl/entry.ts'
export { LINES_AT_ONCE, type Pause } from './crl/steps.ts'
export {
  REVOCATION_REASONS,
  type CrlLimits,
  type CrlScope,
  type RevocationReason,
  type RevokedCertificate,
} from './crl/types.ts'
export { verifyCrl } from './crl/verify.ts'
export { IssuerNames } from './ocsp/cert-id.ts'
export { parseOcspResponse, verifyOcspResponse, type OcspAnswer } from './ocsp/read-response.ts'
export { encodeOcspRequest, OCSP_REQUEST_LIMITS, parseOcspRequest } from './ocsp/request.ts'
export { createOcspResponse, encodeTbsOcsp, ocspFailure, type OcspTemplate } from './ocsp/response.ts'
export type { CertId, CertIdHash, CertStatus, OcspFailure, OcspRequest, SingleResponse } from './ocsp/types.ts'
export { createCsr } from './create-csr.ts'
export { CertificateRequest, DEFAULT_CSR_LIMITS, parseCsr, type CsrLimits } from './csr.ts'
export { KEY_USAGES } from './extensions/types.ts'
export type * from './extensions/types.ts'
export { authorityFindings, issuedLeafFindings, leafFindings, type Finding } from './findings.ts'
export { parsePublicKey, PublicKey, type KeyKind } from './keys/public-key.ts'
export type { X509SignatureAlgorithm } from './keys/signature-algorithm.ts'
export { EMPTY_NAME, encodeName, parseName, type NameAttribute, type NameParts } from './name.ts'
export { ATTESTATION_OID, PURPOSE, type Purpose } from './oids.ts'
export { buildPath, MAX_PATH_CERTIFICATES, VerifiedPath } from './path/build.ts'
export type { PathOptions } from './path/validate.ts'
export { presentedChain, type PresentedCertificate } from './presented-chain.ts'
export { fromPem, fromPemList, toPem, type PemLabel } from './pem.ts'
export { svidIdOf, verifyX509Svid, X509Svid, type AnchorsOf } from './svid.ts'
export { assembleCertificate, encodeTbs, type TbsTemplate } from './tbs.ts'
