import { PURGE_CHUNK, purgeOutboxSql, SEQUENCE, type PERISHABLE } from '../store.ts'
import { CHANNEL } from './notifications.ts'

/** The statements that are not made from the table of columns. */

export const ADD_TO_COUNTER = `INSERT INTO "Counter" ("name", "next") VALUES ($1, $2)
  ON CONFLICT ("name") DO UPDATE SET "next" = "Counter"."next" + excluded."next" RETURNING "next"`

/** Counts the transactions, of any replica, that changed something which replicas keep between requests. */
export const READ_VERSION = `SELECT "next" FROM "Counter" WHERE "name" = 'snapshot'`
export const NEXT_VERSION = `INSERT INTO "Counter" ("name", "next") VALUES ('snapshot', 1)
  ON CONFLICT ("name") DO UPDATE SET "next" = "Counter"."next" + 1 RETURNING "next"`

/**
 * Name, holder, length: the holder renews, anybody takes over what has run out. Who finds it taken leaves before it
 * locks the row; of those who find it free at once, all but the first find it taken then.
 */
export const ACQUIRE = `WITH clock AS MATERIALIZED (
    SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint AS "now"
  )
  INSERT INTO "Lease" ("name", "holder", "until", "fencing")
    SELECT $1, $2, "now" + $3::bigint, 1 FROM clock WHERE NOT EXISTS (
      SELECT 1 FROM "Lease"
        WHERE "name" = $1 AND "holder" <> $2 AND "until" > "now" AND "until" <= "now" + 2 * $3::bigint
    )
  ON CONFLICT ("name") DO UPDATE SET
    "holder" = excluded."holder",
    "until" = excluded."until",
    "fencing" = "Lease"."fencing" + (CASE WHEN "Lease"."holder" = excluded."holder" THEN 0 ELSE 1 END)
  WHERE "Lease"."holder" = excluded."holder"
    OR "Lease"."until" <= excluded."until" - $3::bigint
    OR "Lease"."until" > excluded."until" + $3::bigint
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

/** JSON of the rows; in one order, so that two replicas do not wait for one another. */
export const REPORT_ADOPTION = `INSERT INTO "Adoption" ("instance", "agent", "authority", "sequence", "seenAt")
  SELECT "instance", "agent", "authority", "sequence", "seenAt"
    FROM jsonb_to_recordset($1::jsonb)
      AS reported("instance" text, "agent" text, "authority" text, "sequence" bigint, "seenAt" bigint)
    ORDER BY "instance"
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

export const PURGE_OUTBOX = purgeOutboxSql('$1')

/** Those who follow positions on other replicas are told, once it is committed. */
export const SEQUENCE_AND_NOTIFY = {
  LogLeaf: `WITH numbered AS (${SEQUENCE.LogLeaf} RETURNING 1) SELECT count(*) AS count FROM numbered`,
  Outbox: `WITH numbered AS (${SEQUENCE.Outbox} RETURNING 1), counted AS (SELECT count(*) AS count FROM numbered)
    SELECT count, CASE WHEN count > 0 THEN pg_notify('${CHANNEL}', 'sequenced') END FROM counted`,
} as const

export const PURGE_ADOPTION = purgeSql('Adoption', 'instance', 'seenAt')

function purgeSql(table: (typeof PERISHABLE)[number] | 'Adoption', key: string, column = 'expiresAt'): string {
  const expired = `SELECT "${key}" FROM "${table}" WHERE "${column}" < $1 LIMIT ${String(PURGE_CHUNK)}`
  return `DELETE FROM "${table}" WHERE "${key}" IN (${expired})`
}
