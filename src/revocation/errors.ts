import { errorsOf, type ErrorTable } from '#kernel/errors.ts'

export const REVOCATION_ERRORS = {
  CUT_OFF: 'The credential, or what it rests on, was taken back.',
  ISSUANCE_PAUSED: 'Something that this rests on was taken back a moment ago. Ask again in two seconds.',
  CUTOFF_OUTDATED: 'A token was issued at the same moment. Try again.',
} as const satisfies ErrorTable

export const revocationError = errorsOf(REVOCATION_ERRORS)
