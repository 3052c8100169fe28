import { errorsOf, type ErrorTable } from '#kernel/errors.ts'

export const AUTHORITY_ERRORS = {
  AUTHORITY_NOT_ACTIVE: 'There is no active authority of the kind that is needed.',
  AUTHORITY_NOT_FOUND: 'There is no such authority.',
  AUTHORITY_TRANSITION: 'The authority is not in a state that allows this step.',
  AUTHORITY_CHANGED: 'The authority was changed meanwhile; read it again and repeat the step.',
  AUTHORITY_NOT_PROPAGATED:
    'The authority was published too recently for everybody to have fetched it. `writ ca status` says when it may sign.',
  AUTHORITY_REASON_REQUIRED: 'Who overrides a gate gives a reason, of at most 500 characters.',
  AUTHORITY_NO_SUCCESSOR:
    'Nobody could sign in its place: under a root that is not at hand, let a ceremony sign another authority first.',
  AUTHORITY_NO_PREDECESSOR: 'There is no retiring authority to go back to.',
  AUTHORITY_EXPIRED: 'The authority is not within its period of validity.',
  AUTHORITY_KEY_MISMATCH: 'The key of the authority is not the one that its record or certificate names.',
  AUTHORITY_CERTIFICATE_INVALID: 'The certificate cannot serve as a certificate authority here.',
  AUTHORITY_CANARY_FAILED: 'The trial certificate of the authority did not verify; the authority was not activated.',
  AUTHORITY_STILL_NEEDED: 'Something that the authority signed may still be in force.',
  AUTHORITY_MODE: 'The authorities in the store belong to another mode than the configured one.',
  AUTHORITY_KEPT_BY_SERVER:
    'The server makes, rotates and retires its OCSP responders itself; no step is taken by hand.',
  AUTHORITY_NOT_AWAITED:
    'No request of this server waits for the certificate. Import it where `writ ca prepare` made the request.',
  AUTHORITY_AWAITS_CEREMONY:
    'No issuing authority has its certificate yet. Let a ceremony sign the requests, then `writ ca import` what it made.',
  AUTHORITY_ROOT_UNAVAILABLE: 'The key of the root is not at hand to sign an issuing authority.',
} as const satisfies ErrorTable

export const authorityError = errorsOf(AUTHORITY_ERRORS)
