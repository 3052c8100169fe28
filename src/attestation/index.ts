export type { Attested, Consumption, Workload } from './attested.ts'
export { attestorNamed } from './attestor.ts'
export type {
  AnswerContext,
  AttestContext,
  Attestation,
  Attestor,
  Challenge,
  ChallengeContents,
  SessionContext,
  TpmChallenge,
} from './attestor.ts'
export { ATTESTATION_ERRORS, attestationError } from './errors.ts'
export { JOIN_TOKEN_ATTESTOR, joinTokenAttestor, REPEAT_WINDOW } from './join_token/attestor.ts'
export { createJoinToken } from './join_token/create.ts'
export type { JoinTokenOrder } from './join_token/create.ts'
export { joinTokenHash } from './join_token/text.ts'
export { OIDC_ATTESTOR, oidcAttestor } from './oidc/attestor.ts'
export type { OidcOptions } from './oidc/attestor.ts'
export type { OidcProvider } from './oidc/provider.ts'
export type { IssuerKeys, JoinTokens } from './ports.ts'
export { attestKey } from './key-attestation/attest-key.ts'
export type { KeyAttestation, KeyToAttest } from './key-attestation/key-attestation.ts'
export { TPM_KEY, tpmKeyAttestation } from './key-attestation/tpm-key.ts'
export { YUBIKEY_PIV, yubikeyPivAttestation } from './key-attestation/yubikey-piv.ts'
export { newEnrollSession, usableSession } from './session.ts'
export type { NewEnrollSession } from './session.ts'
export { TPM_ATTESTOR, tpmAttestor } from './tpm/attestor.ts'
export type { TpmOptions } from './tpm/attestor.ts'
export type { TpmProvider } from './tpm/provider.ts'
export { X509POP_ATTESTOR, x509popAttestor } from './x509pop/attestor.ts'
export type { X509popOptions, X509popProvider } from './x509pop/attestor.ts'
export type { EnrollSessionRecord, JoinTokenRecord } from './records.ts'
