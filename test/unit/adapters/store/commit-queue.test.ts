import { describe, expect, it } from 'vitest'
import type { Commit, Committed } from '#flows/ports.ts'
import { CommitQueue } from '../../../../src/adapters/store/commit-queue.ts'
import type { Waiting } from '../../../../src/adapters/store/plan.ts'
import { commitOf, guardSaysNo, leaf, outcomes, T0 } from '../../../contract/store/samples.ts'

const named = (name: string, lock: Commit['lock'] = 'issue', more: Partial<Commit> = {}) =>
  commitOf([], { lock, leaf: leaf(name), ...more })

const committed: Committed = { hash: '', replica: 'one', seq: 0, at: T0 }

/** Runs nothing, remembers what came together, and answers after a moment. */
class Recorder {
  readonly batches: string[][] = []

  async run(batch: readonly Waiting[]): Promise<void> {
    this.batches.push(batch.map(({ plan }) => plan.leaf.object))
    await new Promise((resolve) => setTimeout(resolve, 5))
    for (const { resolve } of batch) resolve(committed)
  }
}

describe('the queue of commits', () => {
  const record = () => {
    const recorder = new Recorder()
    return { recorder, queue: new CommitQueue((batch) => recorder.run(batch)) }
  }

  it('makes one batch of what arrives in one tick, and one of what arrives while it runs', async () => {
    const { recorder, queue } = record()
    const first = ['a', 'b', 'c'].map((name) => queue.add(named(name)))
    await new Promise((resolve) => setTimeout(resolve, 2))
    const second = ['d', 'e'].map((name) => queue.add(named(name)))
    await Promise.all([...first, ...second])
    expect(recorder.batches).toEqual([
      ['a', 'b', 'c'],
      ['d', 'e'],
    ])
  })

  it('runs revocations first and apart', async () => {
    const { recorder, queue } = record()
    await Promise.all(
      [named('a'), named('r', 'revoke'), named('b', 'none'), named('s', 'revoke')].map((one) => queue.add(one)),
    )
    expect(recorder.batches).toEqual([
      ['r', 's'],
      ['a', 'b'],
    ])
  })

  it('runs a commit that looks at the log alone', async () => {
    const { recorder, queue } = record()
    const looks = { guards: [{ table: 'LogLeaf', must: 'not-exist', where: {}, refuse: guardSaysNo } as const] }
    await Promise.all([named('a'), named('l', 'none', looks), named('b'), named('c')].map((one) => queue.add(one)))
    expect(recorder.batches).toEqual([['a'], ['l'], ['b', 'c']])
  })

  it('keeps a batch within 256', async () => {
    const { recorder, queue } = record()
    await Promise.all(Array.from({ length: 600 }, (_, index) => queue.add(named(String(index)))))
    expect(recorder.batches.map(({ length }) => length)).toEqual([256, 256, 88])
  })

  it('answers everybody, and goes on, when a batch cannot even be run', async () => {
    let broken = true
    const queue = new CommitQueue((batch) => {
      if (broken) throw new Error('broken')
      for (const { resolve } of batch) resolve(committed)
    })
    expect(await outcomes([queue.add(named('a')), queue.add(named('b'))])).toEqual([
      'STORE_UNAVAILABLE',
      'STORE_UNAVAILABLE',
    ])
    broken = false
    expect(await outcomes([queue.add(named('c'))])).toEqual(['permit'])
  })

  it('takes nothing more once it is closed, and closes when all is answered', async () => {
    const { recorder, queue } = record()
    const last = queue.add(named('a'))
    await queue.close()
    expect(recorder.batches).toEqual([['a']])
    expect(await outcomes([last, queue.add(named('b'))])).toEqual(['permit', 'STORE_CLOSED'])
  })
})
