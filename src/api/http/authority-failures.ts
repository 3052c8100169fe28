import { CEREMONY_ERRORS, type CeremonyErrorCode } from '#flows/ceremony/errors.ts'

/** What cannot be done with an authority as it stands. */
export const AUTHORITY_CONFLICTS = [
  'AUTHORITY_TRANSITION',
  'AUTHORITY_CHANGED',
  'AUTHORITY_NOT_PROPAGATED',
  'AUTHORITY_STILL_NEEDED',
  'AUTHORITY_NO_PREDECESSOR',
  'AUTHORITY_NO_SUCCESSOR',
  'AUTHORITY_EXPIRED',
  'AUTHORITY_MODE',
  'AUTHORITY_CERTIFICATE_INVALID',
  'AUTHORITY_CANARY_FAILED',
  'AUTHORITY_KEPT_BY_SERVER',
  'AUTHORITY_NOT_AWAITED',
] as const

/** A ceremony never goes through the server; its codes are in the union of all stories. */
export const CEREMONY_CODES = Object.keys(CEREMONY_ERRORS) as CeremonyErrorCode[]

/** What is wrong with a CRL that is brought from a ceremony, and what it does not go together with. */
export const ROOT_CRL_INVALID = ['ROOT_CRL_SCOPE', 'ROOT_CRL_TIME', 'ROOT_CRL_OVER'] as const
export const ROOT_CRL_CONFLICTS = [
  'ROOT_CRL_FOREIGN',
  'ROOT_CRL_KEPT_BY_SERVER',
  'ROOT_CRL_NUMBER',
  'ROOT_CRL_SUPERSEDED',
] as const
