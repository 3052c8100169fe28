import type { LeafDraft } from '#audit/index.ts'
import type { Change, Commit, Committed, Guard, OutboxEvent, Refuse } from '#flows/ports.ts'
import { COUNTER, shapeOf, type TableShape } from './columns.ts'
import { testsOf, type Test } from './conditions.ts'
import { encodeRow, encodeSet, type StoredRow } from './rows.ts'

export interface PlannedGuard {
  readonly shape: TableShape
  readonly must: 'exist' | 'not-exist'
  readonly tests: readonly Test[]
  readonly refuse: Refuse
}

/** `values` of an update are the columns that it sets. */
export type PlannedChange =
  | { readonly op: 'insert'; readonly shape: TableShape; readonly values: StoredRow; readonly refuse: Refuse }
  | { readonly op: 'replace'; readonly shape: TableShape; readonly values: StoredRow }
  | {
      readonly op: 'update'
      readonly shape: TableShape
      readonly tests: readonly Test[]
      readonly values: StoredRow
      readonly refuse: Refuse
    }
  /** `values` has the name of the counter and what it must be below; `tests` name the counter. */
  | {
      readonly op: 'count'
      readonly shape: TableShape
      readonly tests: readonly Test[]
      readonly values: StoredRow
      readonly refuse: Refuse
    }
  | { readonly op: 'delete'; readonly shape: TableShape; readonly tests: readonly Test[]; readonly refuse: Refuse }

/** A commit checked and made ready: what is wrong with it is wrong before it meets its neighbours. */
export interface Plan {
  readonly lock: Commit['lock']
  readonly guards: readonly PlannedGuard[]
  readonly changes: readonly PlannedChange[]
  readonly leaf: LeafDraft
  readonly events: readonly OutboxEvent[]
}

/** A plan whose caller waits. */
export interface Waiting {
  readonly plan: Plan
  readonly resolve: (committed: Committed) => void
  readonly reject: (error: unknown) => void
}

/** @throws STORE_QUERY_INVALID */
export function planOf(commit: Commit): Plan {
  return {
    lock: commit.lock,
    guards: commit.guards.map(planGuard),
    changes: commit.changes.map(planChange),
    leaf: commit.leaf,
    events: commit.events,
  }
}

function planGuard(guard: Guard): PlannedGuard {
  const shape = shapeOf(guard.table)
  return { shape, must: guard.must, tests: testsOf(shape, guard.where), refuse: guard.refuse }
}

function planChange(change: Change): PlannedChange {
  if (change.op === 'count') {
    const { counter: name, below, refuse } = change
    const values = encodeRow(COUNTER, { name, next: below })
    return { op: 'count', shape: COUNTER, tests: testsOf(COUNTER, { name }), values, refuse }
  }
  const shape = shapeOf(change.table)
  switch (change.op) {
    case 'insert':
      return { op: 'insert', shape, values: encodeRow(shape, change.row), refuse: change.refuse }
    case 'replace':
      return { op: 'replace', shape, values: encodeRow(shape, change.row) }
    case 'update': {
      const tests = testsOf(shape, change.where)
      return { op: 'update', shape, tests, values: encodeSet(shape, change.set), refuse: change.refuse }
    }
    case 'delete':
      return { op: 'delete', shape, tests: testsOf(shape, change.where), refuse: change.refuse }
  }
}
