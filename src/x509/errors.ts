import { errorsOf, type ErrorTable } from '#kernel/errors.ts'

/** Faults of the encoding itself. They reach a caller as the cause of a `…_MALFORMED` error. */
export const DER_ERRORS = {
  DER_TRUNCATED: 'The encoding ends before its contents do.',
  DER_TRAILING_BYTES: 'There are bytes after the end of the structure.',
  DER_TAG: 'The encoding holds another type than its place allows.',
  DER_INDEFINITE_LENGTH: 'DER has no indefinite lengths.',
  DER_LENGTH: 'A length is not in its shortest form, or is larger than is accepted.',
  DER_TOO_DEEP: 'The encoding is nested more deeply than is accepted.',
  DER_INTEGER: 'An INTEGER is not in its shortest form, or is out of range.',
  DER_BOOLEAN: 'A BOOLEAN is neither 00 nor FF, or says the default.',
  DER_BIT_STRING: 'A BIT STRING has wrong unused bits or trailing zeros.',
  DER_OID: 'An object identifier is not well formed.',
  DER_TIME: 'A time is not in the one form that RFC 5280 section 4.1.2.5 allows.',
  DER_STRING: 'A string holds characters that its type does not have.',
} as const satisfies ErrorTable

const KEY_ERRORS = {
  KEY_MALFORMED: 'The public key is not a DER SubjectPublicKeyInfo of its algorithm.',
  KEY_ALGORITHM_UNSUPPORTED: 'Use a P-256, P-384 or RSA key.',
  KEY_CURVE_UNSUPPORTED: 'Use the curve P-256 or P-384, by name.',
  KEY_POINT_COMPRESSED: 'Encode the public point uncompressed.',
  KEY_POINT_INVALID: 'The public point is not on its curve.',
  KEY_RSA_TOO_SMALL: 'Use an RSA key of at least 2048 bits.',
  KEY_RSA_TOO_LARGE: 'Use an RSA key of at most 8192 bits.',
  KEY_RSA_EXPONENT: 'The public exponent of an RSA key is an odd number from 3 to 4294967295.',
  KEY_RSA_WEAK: 'The RSA key can be factored; make a new one with another tool.',
} as const satisfies ErrorTable

const REQUEST_ERRORS = {
  PEM_MALFORMED: 'The text is not exactly one PEM block of the expected kind.',
  CSR_TOO_LARGE: 'The certificate request is larger than is accepted.',
  CSR_MALFORMED: 'The certificate request is not a DER PKCS #10 structure.',
  CSR_ALGORITHM_UNSUPPORTED:
    'Sign the certificate request with ECDSA or RSA (PKCS #1 v1.5) and SHA-256, SHA-384 or SHA-512.',
  CSR_SIGNATURE_INVALID: 'The certificate request is not signed by the key that it names.',
  CSR_SEVERAL_IDS: 'A certificate request names at most one URI.',
  CSR_ID_INVALID: 'The URI in the certificate request is not a SPIFFE ID.',
  CSR_MUST_STAPLE: 'Certificates that require stapling (RFC 7633) are not issued.',
} as const satisfies ErrorTable

const CERTIFICATE_ERRORS = {
  CERTIFICATE_TOO_LARGE: 'The certificate is larger than is accepted.',
  CERTIFICATE_MALFORMED: 'The certificate is not a DER certificate as RFC 5280 section 4.1 has it.',
  CERTIFICATE_VERSION: 'Only version 3 certificates are accepted.',
  CERTIFICATE_SERIAL: 'A serial number is positive and has at most 20 octets.',
  CERTIFICATE_ALGORITHM: 'The two signature algorithms of a certificate are one, with the parameters that it requires.',
  CERTIFICATE_NAME:
    'The issuer is not empty, nor is the subject of an authority or of a certificate without a critical subjectAltName.',
  CERTIFICATE_VALIDITY: 'A certificate does not expire before it begins.',
  CERTIFICATE_UNIQUE_ID: 'Certificates with unique identifiers are not accepted.',
  CERTIFICATE_DUPLICATE_EXTENSION: 'A certificate carries each extension once.',
  CERTIFICATE_TOO_MANY_EXTENSIONS: 'The certificate carries more extensions than are accepted.',
  CERTIFICATE_EXTENSION: 'An extension of the certificate is not encoded as its standard says.',
  TEMPLATE_INVALID: 'The certificate to be made would break RFC 5280.',
} as const satisfies ErrorTable

const CRL_ERRORS = {
  CRL_TOO_LARGE: 'The CRL is larger, or lists more certificates, than is accepted.',
  CRL_MALFORMED: 'The CRL is not a DER CertificateList as RFC 5280 section 5.1 has it.',
  CRL_VERSION: 'Only version 2 CRLs are accepted.',
  CRL_ALGORITHM:
    'The two signature algorithms of a CRL are one that is accepted, with the parameters that it requires.',
  CRL_TIME: 'A CRL says when the next one comes, which is after its own time.',
  CRL_ENTRY:
    'A CRL lists each certificate once, by a proper serial number, with a time that is not after its own and a reason that complete CRLs have; where nothing is revoked it has no list.',
  CRL_EXTENSION:
    'A CRL carries its number and the identifier of the key that signed it, its scope critically, and no other critical extension.',
  CRL_DELTA: 'Delta CRLs are not accepted.',
  CRL_ISSUER: 'The CRL is not of this issuer, or the issuer may not sign CRLs.',
  CRL_SIGNATURE_INVALID: 'The CRL is not signed by its issuer.',
} as const satisfies ErrorTable

const OCSP_ERRORS = {
  OCSP_TOO_LARGE: 'The OCSP message is larger, or asks for more certificates, than is accepted.',
  OCSP_MALFORMED: 'The OCSP message is not one that RFC 6960 has.',
  OCSP_NONCE: 'A nonce of OCSP has 1 to 128 octets.',
  OCSP_CRITICAL_EXTENSION: 'The OCSP request has a critical extension that is not understood here.',
  OCSP_RESPONDER: 'The OCSP answer is not of the issuer, nor of a responder that it has delegated to.',
  OCSP_SIGNATURE_INVALID: 'The OCSP answer is not signed by its responder.',
} as const satisfies ErrorTable

const PATH_ERRORS = {
  PATH_NOT_FOUND: 'No chain leads from the certificate to a trusted authority.',
  PATH_TOO_LONG: 'The chain has more certificates than are accepted.',
  PATH_TOO_COSTLY: 'Checking the chain would take more work than is accepted.',
  PATH_SIGNATURE_INVALID: 'A certificate of the chain is not signed by its issuer.',
  PATH_ALGORITHM_WEAK: 'A certificate of the chain is signed with an algorithm that is not accepted.',
  PATH_ISSUER_NOT_AUTHORITY: 'A certificate of the chain was issued by one that is not an authority.',
  PATH_LENGTH_CONSTRAINT: 'The chain is longer than one of its authorities allows.',
  PATH_NAME_CONSTRAINT: 'A name in the chain is outside of what one of its authorities may name.',
  PATH_CRITICAL_EXTENSION: 'A certificate of the chain has a critical extension that is not understood here.',
  PATH_AUTHORITY_REVOKED: 'An authority of the chain has been revoked.',
  PATH_CRL_MISSING: 'There is no current CRL that speaks of an authority of the chain.',
  PATH_KEY_USAGE: 'The certificate may not be used in this way.',
  PATH_EXTENDED_KEY_USAGE: 'A certificate of the chain is not made for this purpose.',
  CERTIFICATE_EXPIRED: 'The certificate or one of its authorities has expired, and nothing else is wrong with it.',
  CERTIFICATE_NOT_YET_VALID: 'The certificate or one of its authorities is not valid yet.',
} as const satisfies ErrorTable

const SVID_ERRORS = {
  SVID_CHAIN_EMPTY: 'The chain holds no certificate.',
  SVID_URI_COUNT: 'An X.509-SVID carries exactly one URI.',
  SVID_ID_INVALID: 'The URI of the certificate is not a SPIFFE ID.',
  SVID_ID_WITHOUT_PATH: 'The SPIFFE ID of an X.509-SVID has a path.',
  SVID_IS_AUTHORITY: 'The certificate of an authority does not authenticate anyone.',
  SVID_KEY_USAGE:
    'The key usage of an X.509-SVID is critical and has digitalSignature and no signing of certificates or CRLs.',
  SVID_EXTENDED_KEY_USAGE: 'The extended key usage of an X.509-SVID has both serverAuth and clientAuth.',
  SVID_SUBJECT: 'An X.509-SVID without a subject carries a critical subjectAltName.',
  SVID_KEY_IDENTIFIER: 'The certificate names the key of its issuer, and an authority its own.',
  SVID_TRUST_DOMAIN_UNKNOWN: 'There are no trusted authorities for the trust domain of the certificate.',
} as const satisfies ErrorTable

export const X509_ERRORS = {
  ...DER_ERRORS,
  ...KEY_ERRORS,
  ...REQUEST_ERRORS,
  ...CERTIFICATE_ERRORS,
  ...CRL_ERRORS,
  ...OCSP_ERRORS,
  ...PATH_ERRORS,
  ...SVID_ERRORS,
} as const satisfies ErrorTable

export type X509ErrorCode = keyof typeof X509_ERRORS

export const x509Error = errorsOf(X509_ERRORS)
