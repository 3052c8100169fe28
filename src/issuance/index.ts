export { ISSUANCE_ERRORS, issuanceError } from './errors.ts'
export type { Issued } from './issued.ts'
export { RULES } from './lint/lint.ts'
export type { AuthorityName, PreparedCertificate } from './prepare-certificate.ts'
export { prepareCrl, type CrlOrder } from './prepare-crl.ts'
export {
  isServerRenewalDue,
  prepareAuthorityCertificate,
  prepareCrossCertificate,
  prepareCanary,
  prepareIssuingCertificate,
  prepareResponderCertificate,
  prepareServerCertificate,
  serverSpiffeId,
  type AuthorityCertificateOrder,
  type CanaryOrder,
  type IssuingCertificateOrder,
  type ResponderCertificateOrder,
  type ServerCertificateFacts,
  type ServerCertificateOrder,
} from './prepare-own.ts'
export { prepareX509Svid, type X509SvidContext, type X509SvidOrder } from './prepare-svid.ts'
export {
  prepareIntrospection,
  prepareSecurityEvent,
  prepareStatusList,
  prepareJwtSvid,
  prepareTaskToken,
  prepareWitSvid,
  type PreparedToken,
  type WitSvidDraft,
} from './prepare-token.ts'
export type { Prepared } from './prepared.ts'
export {
  issuanceProfile,
  PROFILES,
  type CertificateProfile,
  type IssuanceProfile,
  type IssuanceProfileFields,
} from './profile.ts'
export type { CertificateRecord, CertificateState } from './records.ts'
export { sign } from './sign.ts'
