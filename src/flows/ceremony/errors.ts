import { errorsOf, type ErrorTable } from '#kernel/errors.ts'

export const CEREMONY_ERRORS = {
  CEREMONY_NOBODY_PRESENT:
    'A ceremony has at least two people present, by different names; write them under `present`.',
  CEREMONY_LIFETIME: 'A certificate of the ceremony would live longer than is allowed, or longer than its root.',
  CEREMONY_REQUEST_REPEATED: 'Each certificate request of a ceremony has a name and a key of its own.',
  CEREMONY_ROOT_INVALID:
    'The root of the ceremony is not a certificate of the trust domain that may sign authorities and CRLs, or does not fit its key.',
  CEREMONY_KEY_EXISTS:
    'There is a key of this name already; a ceremony never uses one that it did not make. Choose another name.',
  CEREMONY_CRLS:
    'The CRLs of a ceremony follow each other without a gap, end within the life of the root, and number on from the last ceremony.',
  TRANSCRIPT_ALTERED: 'The transcript is not what the ceremony wrote: something was changed, taken out or put in.',
  TRANSCRIPT_UNFINISHED:
    'The transcript has no end: the ceremony was cut off. Keep it, and run another with a new key name and output folder.',
  TRANSCRIPT_UNSOUND: 'The transcript is whole, but what it tells of must not be trusted.',
  TRANSCRIPT_OTHER_ROOT: 'The transcript is of another root than the one that is expected.',
} as const satisfies ErrorTable

export const ceremonyError = errorsOf(CEREMONY_ERRORS)

export type CeremonyErrorCode = keyof typeof CEREMONY_ERRORS
