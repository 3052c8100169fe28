export { isJwsAlgorithm, JWS_ALGORITHMS, type JwsAlgorithm } from './algorithms.ts'
export { checkAudience, checkIssuer, checkTimes, ClaimReader, DEFAULT_SKEW, MAX_SKEW, type Moment } from './claims.ts'
export { MAX_TOKEN_LENGTH, parseCompact, type TokenHeader, type UnverifiedToken } from './compact.ts'
export { isSealedNonce, nonceTime, sealNonce } from './dpop-nonce.ts'
export { DpopProof, type DpopRules } from './dpop-proof.ts'
export { derToJose, joseToDer } from './ecdsa-signature.ts'
export { JWT_ERRORS, jwtError } from './errors.ts'
export { IdToken, type IdTokenRules } from './id-token.ts'
export { importJwk, jwkFromSpki, spkiFromJwk, thumbprint } from './jwk.ts'
export { decodeJwks, encodeJwks, type JwkSet } from './jwks.ts'
export { introspectionClaims, type IntrospectionFields } from './introspection.ts'
export { JwtSvid, jwtSvidClaims, type JwtSvidFields, type JwtSvidRules } from './jwt-svid.ts'
export { KeySet, VerificationKey, verificationKeyFromSpki } from './key-set.ts'
export { readTaskTokenClaims } from './read-task-token.ts'
export { MAX_PROOF_LIFETIME, tokenHash } from './proof-claims.ts'
export { isSameUri } from './request-uri.ts'
export { signDpopProof, signWorkloadProof, type DpopProofFields, type WorkloadProofFields } from './sign-proof.ts'
export { openSealed, sealSecret } from './sealed-secret.ts'
export { finishCompact, PreparedHeader, signCompact } from './sign.ts'
export {
  readSecurityEvent,
  SECURITY_EVENTS,
  securityEventClaims,
  type SecurityEvent,
  type SecurityEventFields,
  type SecurityEventRules,
  type SecurityEventType,
  type SecuritySubject,
} from './security-event.ts'
export {
  MAX_STATUS_LIST_LENGTH,
  readStatusList,
  STATUS,
  StatusArray,
  statusListClaims,
  type StatusBits,
  type StatusList,
  type StatusListFields,
  type StatusListRules,
} from './status-list.ts'
export { authorizationsToJson, readAuthorizations, type TaskAuthorization } from './task-authority.ts'
export { MAX_ACTORS, MAX_TASK_TOKEN_LIFETIME, type Confirmation, type TaskTokenClaims } from './task-token-claims.ts'
export { certificateThumbprint, MAX_TASK_TOKEN_LENGTH, TaskToken, type TaskTokenRules } from './task-token.ts'
export { TOKEN_KINDS, type KeyPlace, type TokenKind, type TokenKindRow } from './token-kinds.ts'
export { isUserSubject, userSubject } from './user-subject.ts'
export { checkSignature, VerifiedToken } from './verify.ts'
export {
  readWitSvidClaims,
  WitSvid,
  witSvidClaims,
  type WitSvidClaims,
  type WitSvidFields,
  type WitSvidRules,
} from './wit-svid.ts'
export { WorkloadProof, type WorkloadProofRules } from './workload-proof.ts'
export { taskTokenToJson } from './write-task-token.ts'
