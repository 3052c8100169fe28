export type {
  AgentIdentity,
  AnonymousIdentity,
  Approach,
  Caller,
  Identity,
  LocalIdentity,
  PrincipalIdentity,
} from './caller.ts'
export { AUTHENTICATION_ERRORS, authenticationError } from './errors.ts'
export type { Peer } from './peer.ts'
export { createPrincipal } from './principal.ts'
export type { PrincipalRequest } from './principal.ts'
export { ROLES } from './records.ts'
export type { PrincipalRecord, ReplayRecord, Role } from './records.ts'
