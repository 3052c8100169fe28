import type { Committed } from '#flows/ports.ts'
import { storeError } from '../errors.ts'
import type { LogRows } from '../log-sequence.ts'
import type { Plan, PlannedChange, PlannedGuard } from '../plan.ts'
import { LostLate, Refused } from '../refusal.ts'
import type { Client } from './connection.ts'
import { NEXT_VERSION } from './fixed.ts'
import type { Wave } from './conflicts.ts'
import {
  changeKey,
  changeMember,
  changeSql,
  guardKey,
  guardsSql,
  LOG_TABLES,
  logSql,
  testsMember,
  valuesMember,
  type Member,
} from './statements.ts'
import type { NamedText, StatementNames } from './statement-names.ts'

interface ChangeGroup {
  readonly sql: NamedText
  readonly entries: { readonly ordinal: number; readonly change: PlannedChange }[]
}

/** The statements of one open transaction. `ordinal` is a commit's place in the batch. */
export class Transaction {
  readonly #client: Client
  readonly #names: StatementNames
  readonly #plans: readonly Plan[]
  /** Who lost, and to what. */
  readonly refused = new Map<number, Refused>()

  constructor(client: Client, names: StatementNames, plans: readonly Plan[]) {
    this.#client = client
    this.#names = names
    this.#plans = plans
  }

  /** Guards, then changes, of commits that do not meet each other. @throws LostLate */
  async run(wave: Wave): Promise<void> {
    await this.#guards(wave.members)
    for (let position = 0; position < longestOf(wave, this.#plans); position++) {
      for (const group of this.#groups(wave.members, position)) await this.#change(group, position)
    }
  }

  /**
   * The same, as if nobody lost: everything is sent before this returns, in the same order. Each promise rejects with
   * what its statement met; who lost is in `refused` once all are settled.
   */
  send(wave: Wave): readonly Promise<void>[] {
    const sent = [this.#guards(wave.members)]
    for (let position = 0; position < longestOf(wave, this.#plans); position++) {
      for (const group of this.#groups(wave.members, position)) sent.push(this.#change(group, position))
    }
    return sent
  }

  /** A statement without parameters; none where it is null. */
  async ask(text: string | null): Promise<void> {
    if (text !== null) await this.#client.query(text)
  }

  /** Leaves, what lies beside them, and events, in one statement. @throws STORE_REPLICA_TAKEN */
  async write(logs: readonly LogRows[]): Promise<readonly Committed[]> {
    const sets = [
      logs.map(({ leaf }) => leaf),
      logs.flatMap((log) => log.private),
      logs.flatMap(({ events }) => events),
    ].map((rows) => rows.map(valuesMember))
    const [written] = await this.#query(this.#names.of('log', logSql), sets)
    // Nobody but a second process under our name can have taken a number.
    sets.forEach(({ length }, index) => {
      const table = LOG_TABLES[index] ?? ''
      if (Number(written?.[table]) !== length) throw storeError('STORE_REPLICA_TAKEN', { details: { table } })
    })
    return logs.map(({ committed }) => committed)
  }

  /** Tells other replicas that what they keep has changed, in the order of the commits. */
  async nextVersion(): Promise<number> {
    const [row] = await this.#query(this.#names.of(NEXT_VERSION), [])
    return Number(row?.['next'])
  }

  async #guards(members: readonly number[]): Promise<void> {
    const groups = new Map<string, { guard: PlannedGuard; set: Member[] }>()
    for (const ordinal of members) {
      this.#plans[ordinal]?.guards.forEach((guard, index) => {
        const key = guardKey(guard)
        const group = groups.get(key) ?? { guard, set: [] }
        group.set.push({ o: ordinal, g: index, ...testsMember(guard.tests) })
        groups.set(key, group)
      })
    }
    if (groups.size === 0) return
    const sorted = [...groups].sort(([left], [right]) => (left < right ? -1 : 1))
    const answer = await this.#query(
      this.#names.of(sorted.map(([key]) => key).join(' & '), () => guardsSql(sorted.map(([, { guard }]) => guard))),
      sorted.map(([, { set }]) => set),
    )
    const failures = answer as readonly { o: number; g: number }[]
    // The first guard of a commit that fails is the one that refuses.
    for (const { o, g } of [...failures].sort((left, right) => left.g - right.g)) {
      const guard = this.#plans[o]?.guards[g]
      if (guard !== undefined && !this.refused.has(o)) this.refused.set(o, new Refused(guard.refuse))
    }
  }

  #groups(members: readonly number[], position: number): readonly ChangeGroup[] {
    const groups = new Map<string, ChangeGroup>()
    for (const ordinal of members) {
      const change = this.#plans[ordinal]?.changes[position]
      if (change === undefined || this.refused.has(ordinal)) continue
      const key = changeKey(change)
      const group = groups.get(key) ?? { sql: this.#names.of(key, () => changeSql(change)), entries: [] }
      group.entries.push({ ordinal, change })
      groups.set(key, group)
    }
    return [...groups.values()]
  }

  async #change({ sql, entries }: ChangeGroup, position: number): Promise<void> {
    const answer = await this.#query(sql, [entries.map(({ ordinal, change }) => changeMember(change, ordinal))])
    const winners = new Set(answer.map((row) => keyOf(Object.values(row))))
    for (const { ordinal, change } of entries) {
      if (change.op === 'replace' || winners.has(winnerKey(ordinal, change))) continue
      if (position > 0) throw new LostLate(change.refuse)
      this.refused.set(ordinal, new Refused(change.refuse))
    }
  }

  async #query(sql: NamedText, sets: readonly (readonly Member[])[]): Promise<readonly Record<string, unknown>[]> {
    const values = sets.map((set) => JSON.stringify(set))
    const { name, text } = sql
    return (await this.#client.query<Record<string, unknown>>({ name, text, values })).rows
  }
}

function longestOf({ members }: Wave, plans: readonly Plan[]): number {
  return Math.max(0, ...members.map((ordinal) => plans[ordinal]?.changes.length ?? 0))
}

function keyOf(values: readonly unknown[]): string {
  return values.map(String).join('\0')
}

/** What a change's statement answers for it: the primary key of what it inserts or counts, the ordinal of the others. */
function winnerKey(ordinal: number, change: PlannedChange): string {
  if (change.op !== 'insert' && change.op !== 'count') return keyOf([ordinal])
  return keyOf(change.shape.primaryKey.map((column) => change.values[column]))
}
