import { describe, expect, it } from 'vitest'
import type { OutboxNews } from '#flows/ports.ts'
import { MemoryStore } from '../../fakes/memory-store.ts'
import { FakeClock } from '../../fakes/clock.ts'
import { dutiesOf, type Charges } from '../../../src/server/compose/duties.ts'

/** Which duties wake up when the outbox says something. */
function woken(news: OutboxNews): readonly string[] {
  const listeners: ((news: OutboxNews) => void)[] = []
  const store = Object.assign(new MemoryStore({ clock: new FakeClock() }), {
    subscribe: (listener: (news: OutboxNews) => void) => {
      listeners.push(listener)
      return () => undefined
    },
  })
  const authorities = { onReplace: () => () => undefined }
  const ports = { store, reader: store, clock: new FakeClock(), authorities }
  const found: string[] = []
  for (const duty of dutiesOf({ ports } as unknown as Charges)) duty.on?.(() => found.push(duty.name))
  for (const listener of listeners) listener(news)
  return found.toSorted()
}

describe('the duties of a server', () => {
  it('that give positions wake up when something was written', () => {
    expect(woken('written')).toEqual(expect.arrayContaining(['sequence']))
    expect(woken('written')).not.toContain('security-events')
  })

  it('promise 6: that tell receivers wake up as soon as something has its position', () => {
    expect(woken('sequenced')).toContain('security-events')
  })
})
