import { describe, expect, it } from 'vitest'
import {
  applied,
  isTrusted,
  transition,
  TRANSITIONS,
  type AuthorityState,
  type TransitionName,
} from '#authority/index.ts'
import { after, SECOND } from '#kernel/instant.ts'
import { authorityRecord, AUTHORITY_NOW as NOW } from '../../support/authorities.ts'

const STATES: readonly AuthorityState[] = ['prepared', 'published', 'active', 'retiring', 'retired', 'tainted']

/** The whole table, written down a second time. */
const LEGAL: Readonly<Record<TransitionName, Partial<Record<AuthorityState, AuthorityState>>>> = {
  publish: { prepared: 'published' },
  activate: { published: 'active' },
  supersede: { active: 'retiring' },
  withdraw: { active: 'published' },
  restore: { retiring: 'active' },
  taint: { prepared: 'tainted', published: 'tainted', active: 'tainted', retiring: 'tainted' },
  retire: { prepared: 'retired', published: 'retired', retiring: 'retired', tainted: 'retired' },
}

const NAMES = Object.keys(TRANSITIONS) as TransitionName[]
const PAIRS = NAMES.flatMap((name) => STATES.map((state) => [name, state, LEGAL[name][state] ?? null] as const))

describe('the states of an authority', () => {
  it.each(PAIRS)('%s from %s leads to %s', (name, state, to) => {
    const record = authorityRecord({ state, version: 7 })
    if (to === null) {
      expect(() => transition(record, name, NOW)).toThrow(expect.objectContaining({ code: 'AUTHORITY_TRANSITION' }))
      return
    }
    const change = transition(record, name, NOW)
    expect(change.expected).toEqual({ version: 7, state })
    expect(applied(record, change)).toMatchObject({ state: to, version: 8 })
  })

  it('says when it was first published, last activated and retired', () => {
    const prepared = authorityRecord({ state: 'prepared' })
    const published = applied(prepared, transition(prepared, 'publish', NOW))
    expect(published.publishedAt).toBe(NOW)
    const later = after(NOW, SECOND)
    const active = applied(published, transition(published, 'activate', later))
    expect(active).toMatchObject({ publishedAt: NOW, activatedAt: later })
    const back = applied(active, transition(active, 'withdraw', after(NOW, 2 * SECOND)))
    expect(back).toMatchObject({ publishedAt: NOW, activatedAt: later })
    const again = applied(back, transition(back, 'activate', after(NOW, 3 * SECOND)))
    expect(again.activatedAt).toBe(after(NOW, 3 * SECOND))
  })

  it('is trusted from publication to retirement, and not once tainted', () => {
    expect(STATES.filter(isTrusted)).toEqual(['published', 'active', 'retiring'])
  })
})
