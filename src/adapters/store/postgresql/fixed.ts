import { PURGE_CHUNK, purgeOutboxSql, SEQUENCE, type PERISHABLE } from '../store.ts'
import { CHANNEL } from './notifications.ts'

/** The statements that are not made from the table of columns. */

export const ADD_TO_COUNTER = `INSERT INTO "Counter" ("name", "next") VALUES ($1, $2)
  ON CONFLICT ("name") DO UPDATE SET "next" = "Counter"."next" + excluded."next" RETURNING "next"`

/** Counts the transactions, of any replica, that changed something which replicas keep between requests. */
export const READ_VERSION = `SELECT "next" FROM "Counter" WHERE "name" = 'snapshot'`
export const NEXT_VERSION = `INSERT INTO "Counter" ("name", "next") VALUES ('snapshot', 1)
  ON CONFLICT ("name") DO UPDATE SET "next" = "Counter"."next" + 1 RETURNING "next"`

/** Name, holder, until, now: the holder renews, anybody takes over what has run out. */
export const ACQUIRE = `INSERT INTO "Lease" ("name", "holder", "until", "fencing") VALUES ($1, $2, $3, 1)
  ON CONFLICT ("name") DO UPDATE SET
    "holder" = excluded."holder",
    "until" = excluded."until",
    "fencing" = "Lease"."fencing" + (CASE WHEN "Lease"."holder" = excluded."holder" THEN 0 ELSE 1 END)
  WHERE "Lease"."holder" = excluded."holder" OR "Lease"."until" <= $4
  RETURNING "fencing"`

/** The row stays, so that the fencing token goes on rising. */
export const RELEASE = `UPDATE "Lease" SET "holder" = '', "until" = 0 WHERE "name" = $1 AND "holder" = $2`

export const READ_MARK = 'SELECT "mark" FROM "ClockMark" WHERE "replica" = $1'

export const WRITE_MARK = `INSERT INTO "ClockMark" ("replica", "mark") VALUES ($1, $2)
  ON CONFLICT ("replica") DO UPDATE SET "mark" = excluded."mark"`

export const DATABASE_NOW = `SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now`

export const OPEN_ENROLL_SESSION = `INSERT INTO "EnrollSession" ("hash", "attestor", "state", "context", "expiresAt")
  VALUES ($1, $2, $3, $4, $5)`

/** Nothing is inserted, and nothing told, when the key is taken. */
export const INSERT_FIRST = {
  Replay: `INSERT INTO "Replay" ("key", "expiresAt") VALUES ($1, $2) ON CONFLICT DO NOTHING`,
  SealingKey: `INSERT INTO "SealingKey" ("id", "secret", "expiresAt") VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`,
} as const

/** A bounded number of rows at a time, so that nobody waits for long. */
export const PURGE = {
  Replay: purgeSql('Replay', 'key'),
  EnrollSession: purgeSql('EnrollSession', 'hash'),
  SealingKey: purgeSql('SealingKey', 'id'),
} as const

export const PURGE_OUTBOX = purgeOutboxSql('$1')

/** Those who follow positions on other replicas are told, once it is committed. */
export const SEQUENCE_AND_NOTIFY = {
  LogLeaf: `WITH numbered AS (${SEQUENCE.LogLeaf} RETURNING 1) SELECT count(*) AS count FROM numbered`,
  Outbox: `WITH numbered AS (${SEQUENCE.Outbox} RETURNING 1), counted AS (SELECT count(*) AS count FROM numbered)
    SELECT count, CASE WHEN count > 0 THEN pg_notify('${CHANNEL}', 'sequenced') END FROM counted`,
} as const

function purgeSql(table: (typeof PERISHABLE)[number], key: string): string {
  const expired = `SELECT "${key}" FROM "${table}" WHERE "expiresAt" < $1 LIMIT ${String(PURGE_CHUNK)}`
  return `DELETE FROM "${table}" WHERE "${key}" IN (${expired})`
}
