import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { instant } from '#kernel/instant.ts'
import { covers, isNarrower, type AuthorizationDetail, type Reach } from '#tasks/index.ts'

const RESOURCES = ['https://a.example', 'https://b.example']
const ACTIONS = ['read', 'write', 'pay']
const IDENTIFIERS = ['1', '2', '3']
const LIMITS = ['max_amount', 'max_calls']

const detail: fc.Arbitrary<AuthorizationDetail> = fc
  .record({
    resource: fc.constantFrom(...RESOURCES),
    actions: fc.subarray(ACTIONS, { minLength: 1 }),
    identifiers: fc.option(fc.subarray(IDENTIFIERS, { minLength: 1 }), { nil: undefined }),
    constraints: fc.option(
      fc.dictionary(fc.constantFrom(...LIMITS), fc.integer({ min: 0, max: 3 }), { noNullPrototype: true }),
      { nil: undefined },
    ),
  })
  .map(({ identifiers, constraints, ...rest }) => ({
    type: 'task' as const,
    ...rest,
    ...(identifiers === undefined ? {} : { identifiers }),
    ...(constraints === undefined ? {} : { constraints }),
  }))

const authority = fc.array(detail, { minLength: 1, maxLength: 3 })

const reach: fc.Arbitrary<Reach> = fc.record({
  audience: fc.constantFrom(...RESOURCES),
  authority,
  remainingDepth: fc.integer({ min: 0, max: 3 }),
  expiresAt: fc.integer({ min: 0, max: 4 }).map((value) => instant(value)),
})

/** A request at a receiver. '9' stands for every identifier that nobody has named, 4 for every amount above all limits. */
interface Call {
  readonly resource: string
  readonly action: string
  readonly identifier: string
  readonly amounts: Readonly<Record<string, number>>
}

const CALLS: readonly Call[] = RESOURCES.flatMap((resource) =>
  ACTIONS.flatMap((action) =>
    [...IDENTIFIERS, '9'].flatMap((identifier) =>
      [0, 1, 2, 3, 4].flatMap((amount) =>
        [0, 1, 2, 3, 4].map((calls) => ({
          resource,
          action,
          identifier,
          amounts: { max_amount: amount, max_calls: calls },
        })),
      ),
    ),
  ),
)

/** What a receiver does, written without a thought of narrowing: the meaning of an authority. */
function allows(granted: readonly AuthorizationDetail[], call: Call): boolean {
  return granted.some(
    (entry) =>
      entry.resource === call.resource &&
      entry.actions.includes(call.action) &&
      (entry.identifiers === undefined || entry.identifiers.includes(call.identifier)) &&
      Object.entries(entry.constraints ?? {}).every(([key, limit]) => (call.amounts[key] ?? 0) <= limit),
  )
}

describe('promise 4: only narrower', () => {
  it('RAR-4 never says that something wider is covered, against every call of a small universe', () => {
    fc.assert(
      fc.property(authority, authority, (parent, child) => {
        if (!covers(parent, child)) return
        for (const call of CALLS) if (allows(child, call)) expect(allows(parent, call)).toBe(true)
      }),
      { numRuns: 2000 },
    )
  })

  it('RAR-4 covers everything that is within one entry, against every call of a small universe', () => {
    fc.assert(
      fc.property(detail, detail, (parent, child) => {
        const isWithin = CALLS.every((call) => !allows([child], call) || allows([parent], call))
        expect(covers([parent], [child])).toBe(isWithin)
      }),
      { numRuns: 500 },
    )
  })

  it('holds of each to itself', () => {
    fc.assert(
      fc.property(reach, (one) => {
        expect(isNarrower(one, one)).toBe(true)
      }),
    )
  })

  it('holds from the first to the last of a chain', () => {
    fc.assert(
      fc.property(reach, reach, reach, (first, second, third) => {
        if (isNarrower(second, first) && isNarrower(third, second)) expect(isNarrower(third, first)).toBe(true)
      }),
      { numRuns: 5000 },
    )
  })

  it('refuses a child that is wider on any one dimension', () => {
    const wider: ((one: Reach) => Reach)[] = [
      (one) => ({ ...one, audience: 'https://c.example' }),
      (one) => ({ ...one, remainingDepth: one.remainingDepth + 1 }),
      (one) => ({ ...one, expiresAt: instant(one.expiresAt + 1) }),
      (one) => ({
        ...one,
        authority: [...one.authority, { type: 'task', resource: 'https://c.example', actions: ['read'] }],
      }),
      (one) => ({
        ...one,
        authority: one.authority.map((entry) => ({ ...entry, actions: [...entry.actions, 'delete'] })),
      }),
      (one) => ({ ...one, authority: one.authority.map((entry) => ({ ...entry, resource: 'https://c.example' })) }),
      (one) => ({ ...one, authority: one.authority.map((entry) => ({ ...entry, identifiers: ['unheard-of'] })) }),
      (one) => ({ ...one, authority: one.authority.map(withoutIdentifiers) }),
      (one) => ({ ...one, authority: one.authority.map((entry) => ({ ...entry, constraints: {} })) }),
      (one) => ({ ...one, authority: one.authority.map(withoutConstraints) }),
      (one) => ({ ...one, authority: one.authority.map(looser) }),
    ]
    const bounded = reach.map((one) => ({
      ...one,
      authority: one.authority.map((entry) => ({ ...entry, identifiers: ['1'], constraints: { max_amount: 2 } })),
    }))
    fc.assert(
      fc.property(bounded, fc.constantFrom(...wider), (one, widen) => {
        expect(isNarrower(widen(one), one)).toBe(false)
      }),
      { numRuns: 1000 },
    )
  })

  it('accepts a limit that is lowered or added, and fewer identifiers', () => {
    const parent = {
      type: 'task',
      resource: 'https://a.example',
      actions: ['read'],
      constraints: { max_amount: 5 },
    } as const
    expect(covers([parent], [{ ...parent, constraints: { max_amount: 4 } }])).toBe(true)
    expect(covers([parent], [{ ...parent, constraints: { max_amount: 5, max_calls: 1 } }])).toBe(true)
    expect(covers([parent], [{ ...parent, identifiers: ['7'] }])).toBe(true)
    expect(covers([parent], [])).toBe(true)
  })

  it('refuses what only two entries together would cover', () => {
    const entry = { type: 'task', resource: 'https://a.example', actions: ['read', 'write'] } as const
    const halves = [
      { ...entry, actions: ['read'] },
      { ...entry, actions: ['write'] },
    ]
    expect(covers(halves, [entry])).toBe(false)
    expect(covers([entry], halves)).toBe(true)
  })
})

function withoutIdentifiers({ identifiers: _, ...entry }: AuthorizationDetail): AuthorizationDetail {
  return entry
}

function withoutConstraints({ constraints: _, ...entry }: AuthorizationDetail): AuthorizationDetail {
  return entry
}

function looser(entry: AuthorizationDetail): AuthorizationDetail {
  return { ...entry, constraints: { max_amount: 3 } }
}
