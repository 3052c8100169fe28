import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { after, HOUR, instant, MINUTE } from '#kernel/instant.ts'
import { isWritError } from '#kernel/errors.ts'
import {
  checkDecision,
  checkUse,
  isApproved,
  partyOf,
  requestDigest,
  type ApprovalDecision,
  type ApprovalRecord,
  type ApprovalRule,
} from '#policy/index.ts'

const NOW = instant(1_800_000_000_000)
const COMMAND = { kind: 'credential.revoked', request: { handle: 'agent', value: 'bot', reason: 'unspecified' } }
const NAMES = ['local:0', 'local:1', 'spiffe://d/admin/a', 'spiffe://d/admin/b', 'spiffe://d/admin/c'] as const

const name = fc.constantFrom(...NAMES)
const rule: fc.Arbitrary<ApprovalRule> = fc.record({
  needed: fc.integer({ min: 1, max: 4 }),
  of: fc.option(fc.subarray([...NAMES], { minLength: 1 }), { nil: null }),
})
const step = fc.record({
  by: name,
  verdict: fc.constantFrom('approve' as const, 'approve' as const, 'deny' as const),
  minutes: fc.integer({ min: 0, max: 20 }),
})

const newRecord = (requestedBy: string): ApprovalRecord => ({
  id: 'apr_0',
  ...COMMAND,
  requestDigest: requestDigest(COMMAND),
  rule: '1',
  decisions: [],
  requestedBy,
  state: 'pending',
  version: 1,
  createdAt: NOW,
  expiresAt: after(NOW, HOUR),
  effectiveAt: null,
  usedAt: null,
})

function accepts(check: () => void): boolean {
  try {
    check()
    return true
  } catch (error) {
    if (isWritError(error)) return false
    throw error
  }
}

describe('whatever people say, in whatever order', () => {
  it('promise 2: it is done only after enough different others have agreed in time, and nobody has said no', () => {
    fc.assert(
      fc.property(name, rule, fc.array(step, { maxLength: 12 }), (asker, rules, steps) => {
        let record = newRecord(asker)
        let now = NOW
        for (const { by, verdict, minutes } of steps) {
          now = after(now, minutes * MINUTE)
          if (
            !accepts(() => {
              checkDecision(record, { name: by, verdict, rule: rules }, now)
            })
          )
            continue
          const decisions: ApprovalDecision[] = [...record.decisions, { by, verdict, at: now }]
          const state = verdict === 'deny' ? 'denied' : isApproved(decisions, rules) ? 'approved' : record.state
          record = { ...record, decisions, state }
        }
        const use = { by: asker, command: COMMAND, rule: rules, standing: record.decisions }
        const done = accepts(() => {
          checkUse(record, use, now)
        })
        const yes = record.decisions.filter(({ verdict }) => verdict === 'approve')
        const parties = new Set(yes.map(({ by }) => partyOf(by)))
        expect(parties.has(partyOf(asker))).toBe(false)
        expect(parties.size).toBe(yes.length)
        expect(done).toBe(
          parties.size >= rules.needed &&
            now < record.expiresAt &&
            record.decisions.every(({ verdict }) => verdict === 'approve'),
        )
      }),
    )
  })

  it('an approval is for one command: any other has another digest', () => {
    const request = fc.dictionary(fc.string({ maxLength: 8 }), fc.oneof(fc.string({ maxLength: 8 }), fc.boolean()))
    fc.assert(
      fc.property(fc.string(), request, fc.string(), request, (kind, one, otherKind, other) => {
        fc.pre(kind.isWellFormed() && otherKind.isWellFormed())
        const sorted = (value: object): string =>
          JSON.stringify(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
        const isSame = kind === otherKind && sorted(one) === sorted(other)
        expect(requestDigest({ kind, request: one }) === requestDigest({ kind: otherKind, request: other })).toBe(
          isSame,
        )
      }),
    )
  })
})
