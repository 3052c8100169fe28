import { errorsOf, type ErrorTable } from '#kernel/errors.ts'

export const CLI_ERRORS = {
  USAGE: 'The command was not understood. Add --help to see what it takes.',
  FILE_UNREADABLE: 'The file could not be read. Check the path and its permissions.',
  FILE_EXISTS: 'The file exists already and is not overwritten. Choose another path, or remove it.',
  VERIFICATION_FAILED: 'The verification failed.',
  KEY_FILE_UNKNOWN: 'The file key.json in the identity folder is damaged, or of a later version. Enroll again.',
  KEY_NOT_P256: 'The key on the token is not a P-256 key. Name another, or let one be made.',
  PROGRAM_NOT_STARTED: 'The program could not be started. Check its name, and that it may be executed.',
  PROGRAM_KEEPS_DYING: 'The program died again and again right after its start, and is not started any more.',
  ON_RENEW_FAILED: 'The command after the renewal failed. The new files are there; the command is tried again.',
} as const satisfies ErrorTable

export const cliError = errorsOf(CLI_ERRORS)

/** What the exit code says: documented in `writ --help`. */
export const EXIT = { done: 0, internal: 1, usage: 2, refused: 3, unreachable: 4, unverified: 5, awaited: 6 } as const

const CODES: Readonly<Record<string, number>> = {
  USAGE: EXIT.usage,
  FILE_UNREADABLE: EXIT.usage,
  FILE_EXISTS: EXIT.usage,
  CONFIG_INVALID: EXIT.usage,
  IDENTITY_FOLDER_INVALID: EXIT.usage,
  JOIN_TOKEN_MALFORMED: EXIT.usage,
  SERVER_UNREACHABLE: EXIT.unreachable,
  SERVER_NOT_TRUSTED: EXIT.unreachable,
  SERVER_NAME_MISMATCH: EXIT.unreachable,
  VERIFICATION_FAILED: EXIT.unverified,
  TRANSCRIPT_ALTERED: EXIT.unverified,
  TRANSCRIPT_UNFINISHED: EXIT.unverified,
  TRANSCRIPT_UNSOUND: EXIT.unverified,
  TRANSCRIPT_OTHER_ROOT: EXIT.unverified,
  CEREMONY_FILE_DIFFERS: EXIT.unverified,
  PROGRAM_NOT_STARTED: 127,
}

export function exitCodeOf(code: string): number {
  return CODES[code] ?? EXIT.refused
}
