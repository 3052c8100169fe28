export { digestOf, TPM_ALGORITHM, TPM_CURVES, TPM_HASHES, type TpmCurve, type TpmHash } from './algorithms.ts'
export { parseAttest, type CertifyAttest, type CreationAttest, type QuoteAttest, type TpmAttest } from './attest.ts'
export { TPM_COMMAND, TPM_HANDLE, TPM_HEADER_BYTES, TPM_TAG } from './constants.ts'
export { makeCredential, type Credential } from './credential.ts'
export { TPM_ERRORS, tpmError, type TpmErrorCode } from './errors.ts'
export { hmacOf, kdfa, kdfe, type Kdfa, type Kdfe } from './key-derivation.ts'
export { hierarchyName, nameOf, qualifiedNameOf } from './name.ts'
export {
  attributesOf,
  hasAnyAttribute,
  hasAttributes,
  OBJECT_ATTRIBUTE,
  type ObjectAttribute,
} from './object-attributes.ts'
export { encodePcrSelections, pcrDigestOf, readPcrSelections, type PcrSelection } from './pcr-selection.ts'
export { encodePublic, parsePublic } from './marshal-public.ts'
export type { TpmEccPublic, TpmPublic, TpmRsaPublic } from './public-area.ts'
export { keyObjectOf, spkiOf } from './public-key.ts'
export { MAX_STRUCTURE_BYTES, readWhole, TpmReader } from './reader.ts'
export type { SchemeName, SigningScheme, Symmetric } from './schemes.ts'
export {
  parseSignature,
  readSignature,
  verifySignature,
  type TpmEcdsaSignature,
  type TpmRsaSignature,
  type TpmSignature,
} from './signature.ts'
export {
  akTemplate,
  EK_POLICY_SHA256,
  EK_POLICY_SHA384,
  ekTemplate,
  signingKeyTemplate,
  srkTemplate,
  type EkKind,
  type SigningKind,
} from './templates.ts'
export { sized, uint16, uint32, uint64, uint8 } from './writer.ts'
