import type { JsonObject, JsonValue } from '#kernel/json.ts'
import type { Context } from './context.ts'

/** Follows `next` to the end of a list, a thousand rows at a time. */
export async function listAll(context: Pick<Context, 'withAdmin'>, path: string): Promise<readonly JsonValue[]> {
  return context.withAdmin(async (admin) => {
    const rows: JsonValue[] = []
    let after: string | null = null
    do {
      const query: string = after === null ? '?limit=1000' : `?limit=1000&after=${encodeURIComponent(after)}`
      const page = (await admin.call({ method: 'GET', path: path + query })) as JsonObject
      rows.push(...(page['items'] as readonly JsonValue[]))
      after = page['next'] as string | null
    } while (after !== null)
    return rows
  })
}
