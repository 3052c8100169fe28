/**
 * Numbers the rows that are committed and have no position, after the highest one. What is still being committed comes
 * later, so whoever reads by position never misses a row. The limit is the only parameter.
 */
function sequenceSql(table: 'LogLeaf' | 'Outbox', key: string, order: string, limit: string): string {
  return `WITH
    top AS (SELECT coalesce(max("position"), -1) AS position FROM "${table}"),
    todo AS (SELECT "${key}" AS key, row_number() OVER (ORDER BY ${order}) AS place
      FROM (SELECT * FROM "${table}" WHERE "position" IS NULL ORDER BY ${order} LIMIT ${limit}) AS waiting)
    UPDATE "${table}" SET "position" = top.position + todo.place FROM top, todo WHERE "${table}"."${key}" = todo.key`
}

/** `limit` is how the database spells its first parameter. */
export const sequenceLeaves = (limit: string): string => sequenceSql('LogLeaf', 'hash', '"at", "replica", "seq"', limit)

export const sequenceEvents = (limit: string): string => sequenceSql('Outbox', 'id', '"createdAt", "id"', limit)
