import { describe, expect, it } from 'vitest'
import type { Change, Commit, Guard } from '#flows/ports.ts'
import { instant } from '#kernel/instant.ts'
import { planOf } from '../../../../src/adapters/store/plan.ts'
import { wavesOf } from '../../../../src/adapters/store/postgresql/conflicts.ts'
import {
  agent,
  certificate,
  changeSaysNo,
  commitOf,
  cutoff,
  guardSaysNo,
  insert,
  joinToken,
  redeem,
  T0,
} from '../../../contract/store/samples.ts'

const waves = (...commits: readonly Commit[]) => wavesOf(commits.map(planOf)).map(({ members }) => members)

const unless = (where: Extract<Guard, { table: 'Certificate' }>['where']): Guard => {
  return { table: 'Certificate', must: 'not-exist', where, refuse: guardSaysNo }
}
const update = (where: Extract<Change, { op: 'update'; table: 'Certificate' }>['where'], set: object): Change => {
  return { op: 'update', table: 'Certificate', where, set, refuse: changeSaysNo }
}
const renewal = (serial: string, lineage: string): Commit => {
  const guards = [unless({ lineage, issuedAt: { gt: T0 } })]
  return commitOf([insert.certificate(certificate(serial, { lineage, issuedAt: instant(T0 + 1) }))], { guards })
}

describe('commits that run in one pass', () => {
  it('are renewals of different lineages, and the storing of what was signed', () => {
    const issued = (serial: string) => commitOf([update({ serial, state: 'intent' }, { state: 'issued' })])
    expect(waves(renewal('01', 'a'), renewal('02', 'b'), issued('03'), issued('04'))).toEqual([[0, 1, 2, 3]])
  })

  it('are commits whose guards look at what only a later one changes', () => {
    const looking = commitOf([], { guards: [unless({ serial: '01' })] })
    expect(waves(looking, commitOf([insert.certificate(certificate('01'))]))).toEqual([[0, 1]])
  })
})

describe('commits that must see each other', () => {
  it.each<[string, Commit, Commit]>([
    ['a guard and an insert that it would find', renewal('01', 'a'), renewal('02', 'a')],
    [
      'a guard and an update that could make a row match',
      commitOf([update({ serial: '01' }, { state: 'revoked' })]),
      commitOf([], { guards: [unless({ lineage: 'a', state: 'revoked' })] }),
    ],
    [
      'a guard and an update that could make a row stop matching',
      commitOf([update({ serial: '01', state: 'intent' }, { state: 'issued' })]),
      commitOf([], { guards: [unless({ lineage: 'a', state: 'intent' })] }),
    ],
    [
      'a guard and a replacement',
      commitOf([{ op: 'replace', table: 'Cutoff', row: cutoff('k', { before: T0 }) }]),
      commitOf([], { guards: [{ table: 'Cutoff', must: 'exist', where: { key: 'k' }, refuse: guardSaysNo }] }),
    ],
    ['two redemptions of one token', redeem('hash-a', 'i-1'), redeem('hash-a', 'i-2')],
    [
      'an insert and the update that looks for it',
      commitOf([insert.joinToken(joinToken('a'))]),
      redeem('hash-a', 'i-1'),
    ],
    [
      'two inserts with one primary key',
      commitOf([insert.agent(agent('x'))]),
      commitOf([insert.agent(agent('x', { name: 'other', path: '/other' }))]),
    ],
    [
      'two inserts with one value of another unique key',
      commitOf([insert.joinToken(joinToken('a', { hash: 'same' }))]),
      commitOf([insert.joinToken(joinToken('b', { hash: 'same' }))]),
    ],
    [
      'an update of a unique column and any other change of the table',
      commitOf([{ op: 'update', table: 'Agent', where: { id: 'x' }, set: { name: 'n' }, refuse: changeSaysNo }]),
      commitOf([insert.agent(agent('y'))]),
    ],
    [
      'a deletion and an insert that may want the unique value that it frees',
      commitOf([{ op: 'delete', table: 'JoinToken', where: { id: 'a' }, refuse: changeSaysNo }]),
      commitOf([insert.joinToken(joinToken('b', { hash: 'hash-a' }))]),
    ],
    [
      'an update of rows by a condition and an update of one that may be among them',
      commitOf([update({ lineage: 'a' }, { state: 'revoked' })]),
      commitOf([update({ serial: '01' }, { reason: 'x' })]),
    ],
  ])('are %s', (_, first, second) => {
    expect(waves(first, second)).toEqual([[0], [1]])
  })

  it('do not keep others from joining an earlier pass', () => {
    expect(waves(redeem('a', '1'), redeem('a', '2'), redeem('b', '3'), redeem('b', '4'))).toEqual([
      [0, 2],
      [1, 3],
    ])
  })

  it('are not rows without a unique value', () => {
    const row = (serial: string) => commitOf([insert.certificate(certificate(serial, { idempotencyKey: null }))])
    expect(waves(row('01'), row('02'))).toEqual([[0, 1]])
  })
})
