import { describe, expect, it } from 'vitest'
import { isWritError } from '#kernel/errors.ts'
import { instant } from '#kernel/instant.ts'
import {
  isEnded,
  nextState,
  requireActive,
  stateAt,
  TASK_TRANSITIONS,
  type TaskAction,
  type TaskState,
} from '#tasks/index.ts'

const DEADLINE = instant(1_000)
const BEFORE = instant(999)
const STATES = Object.keys(TASK_TRANSITIONS) as TaskState[]
const ACTIONS: TaskAction[] = ['activate', 'suspend', 'resume', 'complete', 'revoke', 'expire']

function codeOf(act: () => unknown): string {
  try {
    act()
  } catch (error) {
    return isWritError(error) ? error.code : 'UNTYPED'
  }
  return 'permit'
}

describe('the states of a task', () => {
  it('knows exactly these transitions', () => {
    const table = STATES.map((state) => [
      state,
      ACTIONS.map((action) => (TASK_TRANSITIONS[state][action] === undefined ? '-' : TASK_TRANSITIONS[state][action])),
    ])
    expect(Object.fromEntries(table)).toEqual({
      pending: ['active', '-', '-', '-', 'revoked', 'expired'],
      active: ['-', 'suspended', '-', 'completed', 'revoked', 'expired'],
      suspended: ['-', '-', 'active', 'completed', 'revoked', 'expired'],
      completed: ['-', '-', '-', '-', '-', '-'],
      revoked: ['-', '-', '-', '-', '-', '-'],
      expired: ['-', '-', '-', '-', '-', '-'],
    })
  })

  it('promise 3: nothing leads out of an ended state, and no action into another life', () => {
    for (const state of STATES.filter(isEnded)) {
      for (const action of ACTIONS) {
        expect(codeOf(() => nextState({ state, deadline: DEADLINE }, action, BEFORE))).toBe(
          `TASK_${state.toUpperCase()}`,
        )
      }
    }
  })

  it('permits in exactly one state, and only before the deadline', () => {
    const permits = STATES.filter(
      (state) =>
        codeOf(() => {
          requireActive({ state, deadline: DEADLINE }, BEFORE)
        }) === 'permit',
    )
    expect(permits).toEqual(['active'])
    expect(
      codeOf(() => {
        requireActive({ state: 'active', deadline: DEADLINE }, DEADLINE)
      }),
    ).toBe('TASK_EXPIRED')
  })

  it('ends by time what has not ended yet, and leaves alone what has', () => {
    const after = STATES.map((state) => stateAt({ state, deadline: DEADLINE }, DEADLINE))
    expect(after).toEqual(['expired', 'expired', 'expired', 'completed', 'revoked', 'expired'])
    expect(codeOf(() => nextState({ state: 'suspended', deadline: DEADLINE }, 'resume', DEADLINE))).toBe('TASK_EXPIRED')
  })

  it('refuses a transition that is not there', () => {
    expect(codeOf(() => nextState({ state: 'active', deadline: DEADLINE }, 'resume', BEFORE))).toBe(
      'TASK_TRANSITION_INVALID',
    )
  })
})
