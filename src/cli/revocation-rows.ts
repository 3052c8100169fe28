import type { JsonObject } from '#kernel/json.ts'

export const HIT_COLUMNS = ['what', 'id', 'name', 'owner_or_end']

/** So many of a kind are shown to a person; all of them with --json. */
const SHOWN = 20

type Hits = Readonly<Record<string, readonly Record<string, string>[]>>

/** What dies, for a person: the first of each kind, instances first. */
export function hitRows(hits: JsonObject): JsonObject[] {
  const { instances = [], certificates = [], tasks = [], tokens = [] } = hits as unknown as Hits
  return [
    ...instances.slice(0, SHOWN).map((row) => line('instance', row['id'], row['spiffe_id'], row['owner'])),
    ...certificates
      .slice(0, SHOWN)
      .map((row) => line('certificate', row['serial'], row['spiffe_id'], row['not_after'])),
    ...tasks.slice(0, SHOWN).map((row) => line('task', row['id'], row['subject'], row['owner'])),
    ...tokens.slice(0, SHOWN).map((row) => line('token', row['jti'], row['audience'], row['expires_at'])),
  ]
}

/** How many of what, whose they are, and how much of it is not shown. */
export function hitSummary(hits: JsonObject): readonly string[] {
  const lists = hits as unknown as Hits
  const more = hits['more'] === true
  const counts = ['instances', 'certificates', 'tasks', 'tokens'].map((kind) => count(kind, lists[kind] ?? [], more))
  const total = counts.some(({ number }) => number > 0)
  if (!total) return [more ? 'what it hits is not listed here; --dry-run counts it' : 'nothing alive rests on it']
  const hidden = counts.some(({ number }) => number > SHOWN)
  return [
    counts.map(({ text }) => text).join(', '),
    ...ownersOf(lists['instances'] ?? lists['tasks'] ?? []),
    ...(hidden ? [`the first ${String(SHOWN)} of each are shown; --json has up to 1000`] : []),
  ]
}

function count(
  kind: string,
  rows: readonly unknown[],
  more: boolean,
): { readonly number: number; readonly text: string } {
  const number = rows.length
  const name = number === 1 ? kind.slice(0, -1) : kind
  return { number, text: `${more && number >= 1000 ? 'at least ' : ''}${String(number)} ${name}` }
}

function ownersOf(rows: readonly Record<string, string>[]): readonly string[] {
  const owners = new Map<string, number>()
  for (const { owner = '-' } of rows) owners.set(owner, (owners.get(owner) ?? 0) + 1)
  const named = [...owners].sort(([, left], [, right]) => right - left)
  if (named.length === 0) return []
  const shown = named.slice(0, 10).map(([owner, number]) => `${owner} (${String(number)})`)
  return [`owners: ${shown.join(', ')}${named.length > 10 ? `, and ${String(named.length - 10)} more` : ''}`]
}

function line(what: string, id = '', name = '', owner_or_end = ''): JsonObject {
  return { what, id, name, owner_or_end }
}
