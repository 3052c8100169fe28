import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import type { Change, Commit, Guard } from '#flows/ports.ts'
import type { TableName } from '#flows/tables.ts'
import { instant } from '#kernel/instant.ts'
import {
  certificate,
  changeSaysNo,
  cutoff,
  guardSaysNo,
  joinToken,
  leaf,
  outcomes,
  T0,
} from '../contract/store/samples.ts'
import { dropIdle, REAL_KINDS, type Subject } from '../contract/store/subjects.ts'
import { MemoryStore } from '../fakes/memory-store.ts'

afterAll(dropIdle)

const TABLES = ['JoinToken', 'Cutoff', 'Certificate'] as const satisfies readonly TableName[]

const key = fc.constantFrom('a', 'b')
const moment = fc.constantFrom(0, 1, 2).map((offset) => instant(T0 + offset))
const maybe = <Value>(value: fc.Arbitrary<Value>) => fc.option(value, { nil: null })

// The first alternative is the likeliest, so that commits of one shape meet often enough.
const tokenWhere = fc.oneof(
  { arbitrary: fc.record({ id: key }), weight: 4 },
  fc.record({ hash: key }),
  fc.record({ hash: key, redeemedAt: fc.constant(null) }),
  fc.record({ id: fc.record({ in: fc.array(key, { maxLength: 2 }) }) }),
  fc.record({ createdAt: fc.record({ lte: moment }) }),
)
const cutoffWhere = fc.oneof(
  { arbitrary: fc.record({ key }), weight: 4 },
  fc.record({ key, before: fc.record({ gte: moment }) }),
  fc.record({ value: key }),
)
const certificateWhere = fc.oneof(
  { arbitrary: fc.record({ serial: key }), weight: 4 },
  fc.record({ lineage: maybe(key) }),
  fc.record({ lineage: key, issuedAt: fc.record({ gt: moment }) }),
  fc.record({ idempotencyKey: key }),
)

const token = fc.record({ id: key, hash: key, createdAt: moment }).map((some) => joinToken(some.id, some))
const cut = fc.record({ key, before: moment, value: key }).map((some) => cutoff(some.key, some))
const cert = fc
  .record({ serial: key, lineage: maybe(key), issuedAt: moment, idempotencyKey: maybe(key) })
  .map((some) => certificate(some.serial, some))

const must = fc.constantFrom('exist', 'not-exist')
const guardOn = (table: string, where: fc.Arbitrary<object>) =>
  fc.record({ must, where }).map((some) => ({ table, refuse: guardSaysNo, ...some }) as unknown as Guard)

const changeOn = (table: string, row: fc.Arbitrary<object>, where: fc.Arbitrary<object>, set: fc.Arbitrary<object>) =>
  fc
    .oneof(
      { arbitrary: fc.record({ op: fc.constant('insert'), row }), weight: 2 },
      { arbitrary: fc.record({ op: fc.constant('update'), where, set }), weight: 3 },
      fc.record({ op: fc.constant('replace'), row }),
      fc.record({ op: fc.constant('delete'), where }),
    )
    .map((some) => ({ table, refuse: changeSaysNo, ...some }) as unknown as Change)

const guard = fc.oneof(
  guardOn('JoinToken', tokenWhere),
  guardOn('Cutoff', cutoffWhere),
  guardOn('Certificate', certificateWhere),
)
const tokenSet = fc.oneof(
  fc.record({ redeemedAt: maybe(moment) }),
  fc.record({ createdAt: moment }),
  fc.record({ hash: key }),
)
const cutoffSet = fc.oneof({ arbitrary: fc.record({ before: moment }), weight: 4 }, fc.record({ value: key }))
const certificateSet = fc.oneof(fc.record({ lineage: maybe(key) }), fc.record({ idempotencyKey: maybe(key) }))

const count = fc
  .record({ counter: key, below: fc.constantFrom(0, 1, 2, 9) })
  .map((some): Change => ({ op: 'count', refuse: changeSaysNo, ...some }))

// A commit never looks at what it has itself changed, so no two changes are of one table.
const changes = fc
  .tuple(
    maybe(changeOn('JoinToken', token, tokenWhere, tokenSet)),
    maybe(changeOn('Cutoff', cut, cutoffWhere, cutoffSet)),
    maybe(changeOn('Certificate', cert, certificateWhere, certificateSet)),
    maybe(count),
  )
  .chain((some) => fc.shuffledSubarray(some.filter((change) => change !== null)))

const commit = fc.record({
  lock: fc.constantFrom('issue', 'none', 'revoke'),
  guards: fc.oneof({ arbitrary: fc.constant([]), weight: 2 }, fc.array(guard, { maxLength: 2 })),
  changes,
})
const batch = fc.array(commit, { minLength: 6, maxLength: 16 })

async function contents(store: Subject | MemoryStore): Promise<unknown> {
  const tables = await Promise.all(TABLES.map((table) => store.list(table, { limit: 1000 })))
  return tables.map((rows) => JSON.stringify(rows))
}

describe.each(REAL_KINDS)('a batch on $name', (kind) => {
  it(
    'is as if its commits had run one after the other, in the order of their leaves',
    { timeout: 120_000 },
    async () => {
      await fc.assert(
        fc.asyncProperty(batch, batch, async (first, second) => {
          const database = await kind.make()
          try {
            const store = await database.open()
            const model = new MemoryStore({ clock: database.clock })
            const all = [...first, ...second].map((some, index): Commit => {
              return { ...some, leaf: leaf(`commit:${String(index)}`), events: [] }
            })
            // The second half finds what the first has left behind.
            const results = await outcomes(all.slice(0, first.length).map((one) => store.commit(one)))
            const later = await outcomes(all.slice(first.length).map((one) => store.commit(one)))
            const answers = [...results, ...later]
            const order = (await store.list('LogLeaf', { orderBy: 'seq', limit: 1000 })).map(({ object }) => {
              return Number(object.slice('commit:'.length))
            })
            for (const index of order) {
              const [expected] = await outcomes([model.commit(all[index]!)])
              expect([index, answers[index]]).toEqual([index, expected])
            }
            const without = answers.flatMap((_, index) => (order.includes(index) ? [] : [index]))
            expect(without.map((index) => answers[index])).toEqual(without.map(() => 'STORE_CONFLICT'))
            expect(await contents(store)).toEqual(await contents(model))
            for (const name of ['a', 'b']) expect(await store.reserve(name, 1)).toBe(await model.reserve(name, 1))
            await store.close()
          } finally {
            await database.dispose()
          }
        }),
        { numRuns: Number(process.env['WRIT_TEST_RUNS'] ?? 40) },
      )
    },
  )
})
