import { PURGE_CHUNK, purgeOutboxSql, type PERISHABLE } from '../store.ts'

/** The statements that are not made from the table of columns. */

export const LAST_SEQUENCE = 'SELECT max("seq") FROM "LogLeaf" WHERE "replica" = ?'

export const ADD_TO_COUNTER = `INSERT INTO "Counter" ("name", "next") VALUES (?, ?)
  ON CONFLICT ("name") DO UPDATE SET "next" = "next" + excluded."next" RETURNING "next"`

/** Name, holder, until, now, twice the length from now: the holder renews, anybody takes over what has run out. */
export const ACQUIRE = `INSERT INTO "Lease" ("name", "holder", "until", "fencing") VALUES (?, ?, ?, 1)
  ON CONFLICT ("name") DO UPDATE SET
    "holder" = excluded."holder",
    "until" = excluded."until",
    "fencing" = "fencing" + ("Lease"."holder" <> excluded."holder")
  WHERE "Lease"."holder" = excluded."holder" OR "Lease"."until" <= ? OR "Lease"."until" > ?
  RETURNING "fencing"`

/** The row stays, so that the fencing token goes on rising. */
export const RELEASE = `UPDATE "Lease" SET "holder" = '', "until" = 0 WHERE "name" = ? AND "holder" = ?`

export const READ_MARK = 'SELECT "mark" FROM "ClockMark" WHERE "replica" = ?'

export const WRITE_MARK = `INSERT INTO "ClockMark" ("replica", "mark") VALUES (?, ?)
  ON CONFLICT ("replica") DO UPDATE SET "mark" = excluded."mark"`

export const OPEN_ENROLL_SESSION = `INSERT INTO "EnrollSession" ("hash", "attestor", "state", "context", "expiresAt")
  VALUES (?, ?, ?, ?, ?)`

/** Nothing is inserted, and nothing told, when the key is taken. */
export const INSERT_FIRST = {
  Replay: `INSERT INTO "Replay" ("key", "expiresAt") VALUES (?, ?) ON CONFLICT DO NOTHING`,
  SealingKey: `INSERT INTO "SealingKey" ("id", "secret", "expiresAt") VALUES (?, ?, ?) ON CONFLICT DO NOTHING`,
} as const

/** JSON of the rows. */
export const REPORT_ADOPTION = `INSERT INTO "Adoption" ("instance", "agent", "authority", "sequence", "seenAt")
  SELECT
    value ->> 'instance', value ->> 'agent', value ->> 'authority', value ->> 'sequence', value ->> 'seenAt'
    FROM json_each(?) WHERE true
  ON CONFLICT ("instance") DO UPDATE SET
    "agent" = excluded."agent",
    "authority" = excluded."authority",
    "sequence" = excluded."sequence",
    "seenAt" = excluded."seenAt"
  WHERE excluded."seenAt" >= "Adoption"."seenAt"`

/** A bounded number of rows at a time, so that nobody waits for long. */
export const PURGE = {
  Replay: purgeSql('Replay', 'key'),
  EnrollSession: purgeSql('EnrollSession', 'hash'),
  SealingKey: purgeSql('SealingKey', 'id'),
} as const

export const PURGE_OUTBOX = purgeOutboxSql('?')

export const PURGE_ADOPTION = purgeSql('Adoption', 'instance', 'seenAt')

function purgeSql(table: (typeof PERISHABLE)[number] | 'Adoption', key: string, column = 'expiresAt'): string {
  const expired = `SELECT "${key}" FROM "${table}" WHERE "${column}" < ? LIMIT ${String(PURGE_CHUNK)}`
  return `DELETE FROM "${table}" WHERE "${key}" IN (${expired})`
}
