import type { Reader, Where } from '../ports.ts'
import { PRIMARY_KEYS, type TableName, type Tables } from '../tables.ts'

const PAGE = 1000

/** Everything that fits, in pages of the primary key: nobody is missed when rows are added meanwhile. */
export async function* pages<Table extends TableName>(
  reader: Reader,
  table: Table,
  where: Where<Table>,
): AsyncGenerator<readonly Tables[Table][]> {
  const key = PRIMARY_KEYS[table]
  for (let after: string | undefined; ;) {
    const page = await reader.list(table, { where, limit: PAGE, ...(after === undefined ? {} : { after }) })
    if (page.length > 0) yield page
    if (page.length < PAGE) return
    after = (page.at(-1) as unknown as Readonly<Record<string, string>>)[key]
  }
}
