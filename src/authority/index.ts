export {
  adoptionOf,
  isAdopted,
  sequenceWith,
  type Adoption,
  type AdoptionFacts,
  type Gate,
  type LivingInstance,
} from './adoption.ts'
export {
  AuthoritySet,
  CurrentAuthorities,
  sequenceOf,
  type AuthorityMode,
  type AuthoritySetFields,
  type AuthoritySource,
  type CrossCertificate,
  type JwksKind,
  type Trusted,
} from './authority-set.ts'
export { checkCanary, throwawayKey, type CanaryCheck } from './canary.ts'
export {
  DELEGATE_LIFETIME,
  delegateOf,
  dueDelegates,
  isAnsweredFor,
  type DelegateFacts,
  type DelegateStep,
} from './delegates.ts'
export { AUTHORITY_ERRORS, authorityError } from './errors.ts'
export { activationGate, isMeasured, retirementGate, type ActivationFacts, type RetirementFacts } from './gates.ts'
export { AWAITED_ISSUER, isAwaiting, isOfflineRoot, isUnderOfflineRoot, offlineReference } from './offline.ts'
export { algorithmOf, AUTHORITY_KINDS } from './records.ts'
export type { AdoptionRecord, AuthorityKind, AuthorityRecord, AuthorityState } from './records.ts'
export { renewalWindow, SUPERSEDED_SPREAD, type RenewalFacts, type RenewalWindow } from './renewal-window.ts'
export {
  dueSteps,
  isHalfMade,
  missingKinds,
  ROTATED_KINDS,
  isStandby,
  standIn,
  type RotatedKind,
  type RotationFacts,
  type RotationStep,
} from './rotation.ts'
export {
  activeSigner,
  candidateSigner,
  delegateSigner,
  requireAuthority,
  revokingSigner,
  type ActiveSigner,
  type CandidateSigner,
  type DelegateSigner,
  type RevokingSigner,
  type SigningAuthority,
  type Standing,
} from './signing-authority.ts'
export {
  applied,
  isStepDone,
  isTrusted,
  transition,
  TRANSITIONS,
  TRUSTED_STATES,
  type AuthorityTransition,
  type TransitionName,
} from './states.ts'
export {
  activateAt,
  AUTHORITY_LIFETIME,
  hasPropagated,
  PUBLISHED_MAX_AGE,
  prepareAt,
  PROPAGATION,
  REFRESH_HINT_SECONDS,
  retireAt,
  ROOT_LIFETIME,
  type Life,
} from './thresholds.ts'
