import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  activationGate,
  adoptionOf,
  applied,
  isAdopted,
  retirementGate,
  sequenceOf,
  sequenceWith,
  transition,
  type Adoption,
  type AuthorityRecord,
  type TransitionName,
} from '#authority/index.ts'
import { after, DAY, HOUR, MINUTE, SECOND, type Instant } from '#kernel/instant.ts'
import { AUTHORITY_NOW as NOW, authorityRecord } from '../../support/authorities.ts'

const at = (length: number) => after(NOW, length)
const full: Adoption = { living: 3, holding: 3, ratio: 1, measured: true }

/** What may happen to any authority, in any order that the table of states allows. */
const STEPS: readonly (TransitionName | 'prepare')[] = [
  'prepare',
  'publish',
  'activate',
  'supersede',
  'withdraw',
  'restore',
  'taint',
  'retire',
]

function mayTake(record: AuthorityRecord, step: TransitionName, now: Instant): AuthorityRecord | null {
  try {
    return applied(record, transition(record, step, now))
  } catch {
    return null
  }
}

describe('the sequence from which on a bundle holds an authority', () => {
  const draft = (id: string, now: Instant) =>
    authorityRecord({ id, state: 'prepared', createdAt: now, publishedAt: null, activatedAt: null })

  it('promise 8 is never less than the sequence at its publication, whatever happened before and since', () => {
    const events = fc.array(
      fc.record({ step: fc.constantFrom(...STEPS), which: fc.nat(5), pause: fc.integer({ min: 0, max: 10 * MINUTE }) }),
      { maxLength: 40 },
    )
    fc.assert(
      fc.property(events, events, (before, since) => {
        let [records, now]: [readonly AuthorityRecord[], Instant] = [[draft('subject', NOW)], NOW]
        const happen = ({ step, which, pause }: { step: TransitionName | 'prepare'; which: number; pause: number }) => {
          now = after(now, pause)
          if (step === 'prepare') records = [...records, draft(`a${String(records.length)}`, now)]
          else {
            const [subject, ...others] = records
            const chosen = others[which % Math.max(1, others.length)]
            const moved = chosen === undefined ? null : mayTake(chosen, step, now)
            if (subject === undefined || moved === null) return
            records = [subject, ...others.map((one) => (one.id === moved.id ? moved : one))]
          }
        }
        before.forEach(happen)
        const [subject, ...others] = records
        if (subject === undefined) throw new TypeError('no subject')
        const published = applied(subject, transition(subject, 'publish', now))
        records = [published, ...others]
        const then = sequenceOf(records)
        expect(sequenceWith(published, records)).toBeGreaterThanOrEqual(then)
        since.forEach(happen)
        expect(sequenceWith(published, records)).toBeGreaterThanOrEqual(then)
        expect(sequenceWith(published, records)).toBeLessThanOrEqual(sequenceOf(records))
      }),
    )
  })

  it('is the one of its publication where what came later came clearly later', () => {
    const published = authorityRecord({ id: 'a', state: 'published', version: 2, publishedAt: NOW })
    const later = authorityRecord({ id: 'b', createdAt: at(HOUR), version: 4 })
    const old = authorityRecord({
      id: 'c',
      createdAt: at(-DAY),
      activatedAt: at(-HOUR),
      retiredAt: at(HOUR),
      version: 5,
    })
    expect(sequenceWith(published, [published])).toBe(2n)
    expect(sequenceWith(published, [published, later, old])).toBe(6n)
  })

  it('does not put in order what replicas with other clocks wrote at nearly the same time', () => {
    const published = authorityRecord({ id: 'a', state: 'published', version: 2, publishedAt: NOW })
    const near = authorityRecord({ id: 'b', createdAt: at(30 * SECOND), version: 1 })
    expect(sequenceWith(published, [published, near])).toBe(3n)
  })

  it('is none for what was never published', () => {
    const prepared = authorityRecord({ state: 'prepared' })
    expect(sequenceWith(prepared, [prepared])).toBeNull()
  })
})

describe('adoption', () => {
  const one = (id: string, sequence: bigint | null) => ({ instance: id, spiffeId: `spiffe://a/agent/${id}`, sequence })

  it('counts who holds the sequence or a later one; who was never heard of does not', () => {
    const living = [one('x', 7n), one('y', 8n), one('z', 6n), one('q', null)]
    expect(adoptionOf(7n, { living, complete: true, receivers: [] })).toEqual({
      living: 4,
      holding: 2,
      ratio: 0.5,
      measured: true,
    })
  })

  it('is not measured where a receiver does not report, or where there were more than were looked at', () => {
    const living = [one('x', 7n)]
    const facts = { living, complete: true, receivers: [] }
    expect(isAdopted(adoptionOf(7n, facts))).toBe(true)
    expect(isAdopted(adoptionOf(7n, { ...facts, receivers: [['spiffe://a/agent/x']] }))).toBe(true)
    expect(isAdopted(adoptionOf(7n, { ...facts, receivers: [['spiffe://a/agent']] }))).toBe(true)
    expect(isAdopted(adoptionOf(7n, { ...facts, receivers: [['spiffe://a/agent/xx']] }))).toBe(false)
    expect(isAdopted(adoptionOf(7n, { ...facts, receivers: [[]] }))).toBe(false)
    expect(isAdopted(adoptionOf(7n, { ...facts, complete: false }))).toBe(false)
    expect(isAdopted(adoptionOf(8n, facts))).toBe(false)
  })

  it('proves nothing where nobody lives', () => {
    expect(isAdopted(adoptionOf(1n, { living: [], complete: true, receivers: [] }))).toBe(false)
  })
})

describe('the gate before an activation', () => {
  const active = authorityRecord({ id: 'a', kind: 'x509', state: 'active', activatedAt: at(-DAY) })
  const next = authorityRecord({ id: 'b', kind: 'x509', state: 'published', publishedAt: NOW })
  const gate = (now: Instant, adoption: Adoption | null, subject = next, current = active) =>
    activationGate({ subject, records: [current, subject], adoption, now })

  it('promise 8 opens when everybody holds the bundle, or by time, and not before', () => {
    expect(gate(at(MINUTE), full)).toMatchObject({ open: true, because: 'adopted' })
    expect(gate(at(MINUTE - 1), full)).toMatchObject({ open: false, because: 'not-propagated' })
    expect(gate(at(MINUTE), { ...full, holding: 2 })).toMatchObject({ open: false, opensAt: at(10 * MINUTE) })
    expect(gate(at(10 * MINUTE - 1), null)).toMatchObject({ open: false, because: 'not-propagated' })
    expect(gate(at(10 * MINUTE), null)).toMatchObject({ open: true, because: 'time' })
  })

  it.each(['jwt-svid', 'access-token', 'wit-svid', 'status'] as const)(
    'never opens early for %s, whose keys anybody fetches',
    (kind) => {
      const [subject, current] = [
        { ...next, kind },
        { ...active, kind },
      ]
      expect(gate(at(MINUTE), full, subject, current).open).toBe(false)
      expect(gate(at(10 * MINUTE), full, subject, current).open).toBe(true)
    },
  )

  it('is open where nothing signs any more, and for the first of a kind', () => {
    expect(gate(active.notAfter, null)).toMatchObject({ open: true, because: 'nothing-to-wait-for' })
    expect(activationGate({ subject: next, records: [next], adoption: null, now: NOW }).open).toBe(true)
  })
})

describe('the gate before a retirement', () => {
  const active = authorityRecord({ id: 'b', kind: 'x509', state: 'active', activatedAt: NOW })
  const old = authorityRecord({ id: 'a', kind: 'x509', state: 'retiring', activatedAt: at(-DAY) })
  const gate = (now: Instant, inUse: boolean | null, changes: Partial<AuthorityRecord> = {}) => {
    const subject = { ...old, ...changes }
    const records = [{ ...active, kind: subject.kind }, subject]
    return retirementGate({ subject, records, inUse, longestLeaf: DAY, now })
  }

  it('promise 8 opens when nothing of it is in force any more, or by time, and not before', () => {
    expect(gate(at(HOUR), true)).toMatchObject({ open: false, because: 'certificates-in-force' })
    expect(gate(at(HOUR), null)).toMatchObject({ open: false })
    expect(gate(at(HOUR), false)).toMatchObject({ open: true, because: 'adopted' })
    // Servers have their own certificates, which nobody counts.
    expect(gate(at(MINUTE), false).open).toBe(false)
    expect(gate(at(DAY + 10 * MINUTE), true)).toMatchObject({ open: true, because: 'time' })
  })

  it('goes by time alone for keys of tokens', () => {
    expect(gate(at(HOUR), false, { kind: 'access-token' })).toMatchObject({ open: false, because: 'tokens-in-force' })
    expect(gate(at(DAY + 10 * MINUTE), false, { kind: 'access-token' }).open).toBe(true)
  })

  it('is open for what was never active, and for what is tainted', () => {
    expect(gate(NOW, true, { state: 'published', activatedAt: null }).open).toBe(true)
    expect(gate(NOW, true, { state: 'tainted' }).open).toBe(true)
  })

  it('keeps a root as long as anything under it is trusted', () => {
    const root = authorityRecord({ id: 'r', kind: 'x509-root', state: 'retiring', activatedAt: at(-DAY) })
    const next = authorityRecord({ id: 's', kind: 'x509-root', state: 'active', activatedAt: NOW })
    const under = authorityRecord({ id: 'i', kind: 'x509', state: 'retiring', issuer: 'r' })
    const facts = { subject: root, inUse: false, longestLeaf: DAY, now: at(30 * DAY) }
    const gateOf = (records: readonly AuthorityRecord[]) => retirementGate({ ...facts, records })
    expect(gateOf([root, next, under])).toMatchObject({ open: false, because: 'authorities-in-force', opensAt: null })
    expect(gateOf([root, next, { ...under, state: 'retired' }]).open).toBe(true)
  })
})
