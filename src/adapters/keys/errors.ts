import { errorsOf, type ErrorTable } from '#kernel/errors.ts'

/** What every home of keys may refuse, whatever it is made of. */
export const KEYS_ERRORS = {
  KEY_EXISTS: 'A key of this name exists already.',
  KEY_NOT_FOUND: 'There is no key under this reference.',
  KEY_UNUSABLE: 'The key cannot be used: it is damaged, or of a kind that is not accepted.',
  KEY_MISMATCH: 'The key is not the one that its certificate or record names.',
  KEY_UNAVAILABLE: 'The keys cannot be reached at the moment, and nothing was signed. Try again shortly.',
} as const satisfies ErrorTable

export const keysError = errorsOf(KEYS_ERRORS)
