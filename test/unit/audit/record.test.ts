import { describe, expect, it } from 'vitest'
import { AnonymousDenials, record, recordDenial, type LeafDraft } from '#audit/index.ts'
import type { Commit } from '#flows/ports.ts'
import { SECOND } from '#kernel/instant.ts'
import { storeError } from '../../../src/adapters/store/errors.ts'
import { FakeClock } from '../../fakes/clock.ts'
import { MemoryStore } from '../../fakes/memory-store.ts'

const leaf: LeafDraft = {
  type: 'task.completed',
  actor: 'system',
  object: 'task:1',
  decision: 'permit',
  inputDigest: null,
  policy: null,
  commitments: { reason: 'done' },
}
const commit: Commit = { lock: 'none', guards: [], changes: [], leaf, events: [] }

describe('record', () => {
  it('hands out a receipt that says what was written down and where', async () => {
    const store = new MemoryStore()
    const receipt = await record(store, commit)
    expect(receipt).toMatchObject({ seq: 0, replica: 'memory', object: 'task:1', commitments: { reason: 'done' } })
    expect(receipt.hash).toBe(store.leaves[0]?.hash)
    expect(receipt.at).toBe(store.leaves[0]?.at)
  })

  it('gives no receipt for a denial, and writes nothing', async () => {
    const store = new MemoryStore()
    const denied = { ...commit, leaf: { ...leaf, decision: 'deny:NO' as const } }
    await expect(record(store, denied)).rejects.toMatchObject({ code: 'AUDIT_NOT_A_PERMIT' })
    expect(store.leaves).toEqual([])
  })

  it.each(['before', 'after'] as const)('gives no receipt when the store fails %s the commit', async (when) => {
    const store = new MemoryStore()
    store.fail = { when, commit: 1 }
    await expect(record(store, commit)).rejects.toMatchObject({ name: 'WritError' })
    expect(store.leaves).toHaveLength(when === 'before' ? 0 : 1)
  })

  it('gives no receipt when a guard refuses, and leaves a denial', async () => {
    const store = new MemoryStore()
    const refuse = () => storeError('STORE_CLOSED')
    const guards = [{ table: 'Task' as const, must: 'exist' as const, where: { id: 'x' }, refuse }]
    await expect(record<Commit>(store, { ...commit, guards })).rejects.toMatchObject({ code: 'STORE_CLOSED' })
    expect(store.leaves.map(({ draft }) => draft.decision)).toEqual(['deny:STORE_CLOSED'])
  })
})

describe('recordDenial', () => {
  it('writes one leaf with the code and nothing else', async () => {
    const store = new MemoryStore()
    await recordDenial(store, { type: 'token.exchange', actor: 'spiffe://x.org/a', object: 'task:1', code: 'NO_WAY' })
    expect(store.leaves.map(({ draft }) => draft)).toEqual([
      {
        type: 'token.exchange',
        actor: 'spiffe://x.org/a',
        object: 'task:1',
        decision: 'deny:NO_WAY',
        inputDigest: null,
        policy: null,
        commitments: {},
      },
    ])
  })
})

describe('anonymous denials', () => {
  it('become one counted leaf per reason and second', async () => {
    const [store, clock] = [new MemoryStore(), new FakeClock()]
    const denials = new AnonymousDenials(store, clock)
    for (let index = 0; index < 1000; index++) denials.count(index % 10 === 0 ? 'TOKEN_UNKNOWN' : 'CSR_INVALID')
    await denials.flush()
    expect(store.leaves).toEqual([])
    clock.advance(SECOND)
    denials.count('CSR_INVALID')
    await denials.flush()
    const seen = store.leaves.map(({ draft }) => [
      draft.actor,
      draft.decision,
      draft.object,
      draft.commitments['count'],
    ])
    expect(seen).toEqual([
      ['anonymous', 'deny:TOKEN_UNKNOWN', 'second:2026-11-20T10:00:00.000Z', '100'],
      ['anonymous', 'deny:CSR_INVALID', 'second:2026-11-20T10:00:00.000Z', '900'],
    ])
    await denials.flush('all')
    expect(store.leaves).toHaveLength(3)
  })

  it('cannot be made to fill the log with reasons or seconds', async () => {
    const [store, clock] = [new MemoryStore(), new FakeClock()]
    const denials = new AnonymousDenials(store, clock)
    for (let index = 0; index < 500; index++) denials.count(`REASON_${String(index)}`)
    await denials.flush('all')
    expect(store.leaves).toHaveLength(65)
    const other = store.leaves.find(({ draft }) => draft.decision === 'deny:OTHER')
    expect(other?.draft.commitments['count']).toBe('436')
  })

  it('are kept when they cannot be written', async () => {
    const [store, clock] = [new MemoryStore(), new FakeClock()]
    const denials = new AnonymousDenials(store, clock)
    denials.count('CSR_INVALID')
    store.fail = { when: 'before', commit: 1 }
    await expect(denials.flush('all')).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
    await denials.flush('all')
    expect(store.leaves.map(({ draft }) => draft.commitments['count'])).toEqual(['1'])
  })
})
