import { errorsOf, type ErrorTable } from '#kernel/errors.ts'

export const SOFTWARE_KEYS_ERRORS = {
  KEY_FILE_EXPOSED: 'Keys are read only from files and folders of their owner that nobody else may read (0600, 0700).',
  KEY_NAME_INVALID: 'The name of a key has 1 to 100 lower-case letters, digits and dashes.',
} as const satisfies ErrorTable

export const softwareKeysError = errorsOf(SOFTWARE_KEYS_ERRORS)
