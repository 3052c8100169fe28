import { passes, type Scalar, type Test } from '../conditions.ts'
import type { Plan, PlannedChange } from '../plan.ts'
import type { StoredRow } from '../rows.ts'

/**
 * What is known of a row before or after a change: the columns that it must have had or that it gets. A column that is
 * not there may hold anything.
 */
type Image = StoredRow

interface Effect {
  readonly change: PlannedChange
  readonly images: readonly Image[]
}

/**
 * Commits that one set-based pass over guards, then changes, treats as if they ran one after the other in this order:
 * no guard and no change of a later one can meet a row that an earlier one changes.
 */
export class Wave {
  readonly members: number[] = []
  readonly #effects = new Map<string, Effect[]>()

  /** Whether a commit may follow those that are in the wave. */
  admits(plan: Plan): boolean {
    for (const { shape, tests } of plan.guards) {
      const effects = this.#effects.get(shape.name) ?? []
      if (effects.some(({ images }) => images.some((image) => mayMatch(tests, image)))) return false
    }
    for (const change of plan.changes) {
      const effects = this.#effects.get(change.shape.name)
      if (effects === undefined) continue
      const effect = effectOf(change)
      if (effects.some((other) => collide(effect, other))) return false
    }
    return true
  }

  add(index: number, plan: Plan): void {
    this.members.push(index)
    for (const change of plan.changes) {
      const { name } = change.shape
      const effects = this.#effects.get(name)
      if (effects === undefined) this.#effects.set(name, [effectOf(change)])
      else effects.push(effectOf(change))
    }
  }
}

/**
 * Sorts a batch into waves that run one after the other. Nobody has been answered yet, so any order is a right one, and
 * a commit joins the first wave that it may.
 */
export function wavesOf(plans: readonly Plan[]): readonly Wave[] {
  const waves: Wave[] = []
  plans.forEach((plan, index) => {
    let wave = waves.find((candidate) => candidate.admits(plan))
    if (wave === undefined) waves.push((wave = new Wave()))
    wave.add(index, plan)
  })
  return waves
}

function effectOf(change: PlannedChange): Effect {
  switch (change.op) {
    case 'insert':
      return { change, images: [change.values] }
    case 'replace':
      return { change, images: [known(change.values, change.shape.primaryKey), change.values] }
    case 'update': {
      const before = fixedBy(change.tests)
      return { change, images: [before, { ...before, ...change.values }] }
    }
    case 'count':
    case 'delete':
      return { change, images: [fixedBy(change.tests)] }
  }
}

function known(values: StoredRow, columns: readonly string[]): Image {
  return Object.fromEntries(columns.map((column) => [column, values[column] ?? null]))
}

function fixedBy(tests: readonly Test[]): Image {
  const fixed = tests.filter(({ operator }) => operator === 'eq' || operator === 'null')
  return Object.fromEntries(fixed.map(({ column, operand }) => [column, operand as Scalar]))
}

function mayMatch(tests: readonly Test[], image: Image): boolean {
  return tests.every((test) => {
    const value = image[test.column]
    return value === undefined || passes(test, value)
  })
}

function collide(left: Effect, right: Effect): boolean {
  return meets(left, right) || meets(right, left) || mayClash(left.change, right.change)
}

/** Whether what one change looks for may be a row of the other. */
function meets(looking: Effect, other: Effect): boolean {
  const { change } = looking
  if (change.op === 'insert' || change.op === 'replace') return false
  return other.images.some((image) => mayMatch(change.tests, image))
}

/** Whether both may want the same unique value, or one may free what the other wants. */
function mayClash(left: PlannedChange, right: PlannedChange): boolean {
  if (setsUnique(left) || setsUnique(right)) return true
  const [leftRow, rightRow] = [insertedBy(left), insertedBy(right)]
  if (leftRow !== null && rightRow !== null) {
    return left.shape.uniqueKeys.some((key) => sameKey(key, leftRow, rightRow))
  }
  if (leftRow === null && rightRow === null) return false
  return (frees(left) || frees(right)) && left.shape.uniqueKeys.length > 1
}

function frees(change: PlannedChange): boolean {
  return change.op === 'delete' || change.op === 'replace'
}

function setsUnique(change: PlannedChange): boolean {
  if (change.op !== 'update') return false
  return change.shape.uniqueKeys.some((key) => key.some((column) => column in change.values))
}

function insertedBy(change: PlannedChange): StoredRow | null {
  return change.op === 'insert' || change.op === 'replace' ? change.values : null
}

function sameKey(key: readonly string[], left: StoredRow, right: StoredRow): boolean {
  return key.every((column) => left[column] !== null && left[column] === right[column])
}
