import { errorsOf, type ErrorTable } from '#kernel/errors.ts'

/** The failures of the store. Refusals of a commit are the story's own errors, never one of these. */
export const STORE_ERRORS = {
  STORE_UNAVAILABLE: 'The database did not answer; nothing is known to have changed. Try again.',
  STORE_OUTCOME_UNKNOWN: 'The database went away while it was storing the change; look before trying again.',
  STORE_CLOSED: 'The store is closed.',
  STORE_URL_INVALID: 'The database address must be file:<path> or postgresql://<host>/<database>.',
  STORE_OPTION_INVALID: 'An option of the database address is not known or its value is not allowed.',
  STORE_NOT_FOUND: 'There is no database at this address; create one first.',
  STORE_NOT_DURABLE: 'The database connection does not promise that what it acknowledges survives a crash.',
  STORE_MIGRATION_EDITED: 'A migration was edited after it had been applied to this database.',
  STORE_MIGRATION_UNKNOWN: 'The database was migrated by a newer release than this one.',
  STORE_MIGRATION_FAILED: 'A migration could not be applied; the database is as it was before it.',
  STORE_REPLICA_TAKEN: 'Another process writes to this database under the same replica name.',
  STORE_CONFLICT: 'Another row already has this value, which must be unique.',
  STORE_QUERY_INVALID: 'The query asks for something that the store cannot compare or count.',
  STORE_REFUSAL_INVALID: 'The change was refused for a reason that has no code.',
  STORE_ROW_CORRUPT: 'A stored row does not have the form that this release expects.',
} as const satisfies ErrorTable

export const storeError = errorsOf(STORE_ERRORS)
