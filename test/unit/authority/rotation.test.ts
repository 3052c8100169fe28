import { describe, expect, it } from 'vitest'
import { dueSteps, ROTATED_KINDS, type AuthorityRecord } from '#authority/index.ts'
import { after, DAY, HOUR, MINUTE, type Instant } from '#kernel/instant.ts'
import { AUTHORITY_NOW as NOW, authorityRecord } from '../../support/authorities.ts'

/** Only what is due for jwt-svid: the other kinds are looked after by an active one of their own. */
function due(now: Instant, ...records: readonly AuthorityRecord[]) {
  const others = ROTATED_KINDS.filter((kind) => kind !== 'jwt-svid').map((kind) =>
    authorityRecord({
      id: `aut_${kind}`,
      kind,
      notAfter: after(now, 300 * DAY),
      notBefore: now,
      certificate: new Uint8Array(1),
    }),
  )
  const steps = dueSteps({ records: [...others, ...records], now, longestLeaf: DAY })
  return steps.map((step) => (step.step === 'prepare' ? `prepare ${step.kind}` : `${step.step} ${step.authority.id}`))
}

const at = (length: number) => after(NOW, length)
const active = authorityRecord({ id: 'a', state: 'active', activatedAt: NOW })
const next = (changes: Partial<AuthorityRecord>) =>
  authorityRecord({
    id: 'b',
    state: 'published',
    notBefore: at(15 * DAY),
    notAfter: at(45 * DAY),
    publishedAt: at(15 * DAY),
    ...changes,
  })

describe('what is due in a rotation', () => {
  it('makes everything from nothing, a step at a time', () => {
    expect(dueSteps({ records: [], now: NOW, longestLeaf: DAY })).toEqual([
      { step: 'prepare', kind: 'x509' },
      { step: 'prepare', kind: 'jwt-svid' },
      { step: 'prepare', kind: 'wit-svid' },
      { step: 'prepare', kind: 'access-token' },
      { step: 'prepare', kind: 'status' },
      { step: 'prepare', kind: 'events' },
      { step: 'prepare', kind: 'checkpoint' },
    ])
    expect(due(NOW, authorityRecord({ id: 'a', state: 'prepared' }))).toEqual(['publish a'])
    expect(due(NOW, authorityRecord({ id: 'a', state: 'published', publishedAt: NOW }))).toEqual(['activate a'])
  })

  it('rests until half of the life, then prepares and publishes the next one', () => {
    expect(due(at(15 * DAY - 1), active)).toEqual([])
    expect(due(at(15 * DAY), active)).toEqual(['prepare jwt-svid'])
    expect(due(at(15 * DAY), active, next({ state: 'prepared', publishedAt: null }))).toEqual(['publish b'])
    expect(due(at(15 * DAY), active, next({}))).toEqual([])
  })

  it('activates the next one with a sixth of the life left', () => {
    expect(due(at(25 * DAY - 1), active, next({}))).toEqual([])
    expect(due(at(25 * DAY), active, next({}))).toEqual(['activate b'])
  })

  it('does not activate one that was published a moment ago, unless nothing signs any more', () => {
    expect(due(at(26 * DAY), active, next({ publishedAt: at(26 * DAY - MINUTE) }))).toEqual([])
    expect(due(at(30 * DAY), active, next({ publishedAt: at(30 * DAY - MINUTE) }))).toEqual(['activate b'])
  })

  it('retires the old one when the last leaf that it can have signed has ended', () => {
    const old = authorityRecord({ id: 'a', state: 'retiring', activatedAt: NOW })
    const now = next({ state: 'active', activatedAt: at(25 * DAY) })
    expect(due(at(26 * DAY), old, now)).toEqual([])
    expect(due(at(26 * DAY + 10 * MINUTE), old, now)).toEqual(['retire a'])
  })

  it('never brings in again what was taken back, but prepares another', () => {
    const back = next({ activatedAt: at(25 * DAY) })
    const restored = { ...active, activatedAt: at(25 * DAY + HOUR) }
    expect(due(at(25 * DAY + HOUR), restored, back)).toEqual(['prepare jwt-svid'])
    expect(due(at(27 * DAY), restored, back)).toContain('retire b')
  })

  it('gives up an X.509 authority whose certificate never came, and waits for one that is being made', () => {
    const half = authorityRecord({ id: 'h', kind: 'x509', state: 'prepared', createdAt: NOW })
    const steps = (now: Instant) => dueSteps({ records: [half], now, longestLeaf: DAY }).map(({ step }) => step)
    const prepare = ROTATED_KINDS.map(() => 'prepare')
    expect(steps(at(MINUTE))).toEqual(prepare.slice(1))
    expect(steps(at(5 * MINUTE + 1))).toEqual(['retire', ...prepare])
  })
})
