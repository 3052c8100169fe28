import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { utf8 } from '#kernel/bytes.ts'
import { isWritError } from '#kernel/errors.ts'
import { readFrame } from '#receiver/feed/frames.ts'
import { EventParser, type StreamEvent } from '#receiver/feed/sse.ts'
import { FEED_FRAMES, type FeedEvent } from '#wire/index.ts'

const NAMES = Object.keys(FEED_FRAMES) as FeedEvent[]
const line = fc.string({ maxLength: 40 }).map((text) => text.replaceAll(/[\r\n\ufeff]/g, ' '))

function eventsOf(pieces: readonly Uint8Array[]): StreamEvent[] {
  const parser = new EventParser()
  return pieces.flatMap((piece) => [...parser.push(piece)])
}

function cut(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const ends = [...places.map((place) => place % (bytes.length + 1)), bytes.length].sort((left, right) => left - right)
  return ends.map((end, index) => bytes.subarray(index === 0 ? 0 : ends[index - 1], end))
}

/** Our own refusal, or nothing. */
function refusal(attempt: () => unknown): string | null {
  try {
    attempt()
    return null
  } catch (error) {
    if (isWritError(error)) return error.code
    throw error
  }
}

describe('property: streams of events', () => {
  it('are read as they were written, whatever pieces they come in and however their lines end', () => {
    const events = fc.array(
      fc.record({ name: fc.constantFrom('a', 'token'), data: fc.array(line, { minLength: 1, maxLength: 3 }) }),
    )
    const end = fc.constantFrom('\n', '\r\n', '\r')
    fc.assert(
      fc.property(events, end, fc.array(fc.nat(), { maxLength: 10 }), (written, newline, places) => {
        const lines = written.flatMap(({ name, data }, index) => [
          ': comment',
          `id: ${String(index)}`,
          `event: ${name}`,
          ...data.map((text) => `data: ${text}`),
          '',
        ])
        const bytes = utf8(lines.map((text) => text + newline).join(''))
        const expected = written.map(({ name, data }, index) => ({ name, data: data.join('\n'), id: String(index) }))
        expect(eventsOf(cut(bytes, places))).toEqual(expected)
      }),
    )
  })

  it('promise 10: of any octets are read or refused, and take no more memory than they may', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 20 }), (pieces) => {
        expect([null, 'RECEIVER_FEED_MALFORMED']).toContain(refusal(() => eventsOf(pieces)))
      }),
    )
    const parser = new EventParser()
    const endless = (): void => {
      for (let round = 0; round < 100; round++) Array.from(parser.push(new Uint8Array(1024).fill(0x61)))
    }
    expect(refusal(endless)).toBe('RECEIVER_FEED_MALFORMED')
  })
})

describe('property: frames of the feed', () => {
  const spiffe = fc.constantFrom(
    'spiffe://example.org/agent/bot',
    'spiffe://example.org',
    'spiffe://Example.org/a',
    'x',
  )
  const moment = fc.constantFrom('2026-11-20T10:00:00Z', '2026-11-20T10:00:00.123Z', '2026-02-31T10:00:00Z', '2026', 7)
  const hex = fc.constantFrom('ab'.repeat(32), 'ab'.repeat(20), 'AB', 'a', '0a', 'ab'.repeat(40))
  const task = fc.constantFrom('task_06f5wwhv2rtzka9bfdsk1qpyt4', 'tok_06f5wwhv2rtzka9bfdsk1qpyt4', 'task_1')
  const anything = fc.oneof(spiffe, moment, hex, task, fc.string({ maxLength: 300 }), fc.integer(), fc.constant(null))
  const kinds = ['trust-domain', 'authority', 'agent', 'actor', 'spki', 'task', 'subject', 'moon']
  const data = fc.record(
    {
      kind: fc.constantFrom(...kinds),
      value: anything,
      before: moment,
      serial: fc.oneof(hex, anything),
      jti: fc.oneof(fc.string({ minLength: 1, maxLength: 130 }), anything),
      spiffe_id: fc.oneof(spiffe, anything),
      state: fc.constantFrom('active', 'suspended', 'retired'),
      sequence: fc.oneof(fc.integer({ min: -2, max: 9 }), fc.double(), anything),
      position: fc.oneof(fc.integer({ min: -3, max: 9 }), anything),
      at: moment,
      more: anything,
    },
    { requiredKeys: ['kind', 'value', 'before', 'state'] },
  )

  it('are taken by the receiver exactly when the wire format takes them', () => {
    const counts = { taken: 0, refused: 0 }
    fc.assert(
      fc.property(fc.constantFrom(...NAMES.filter((name) => name !== 'announcement')), data, (name, value) => {
        const text = JSON.stringify(value)
        const isGood = FEED_FRAMES[name].safeParse(JSON.parse(text)).success
        expect(refusal(() => readFrame(name, text))).toBe(isGood ? null : 'RECEIVER_FEED_MALFORMED')
        counts[isGood ? 'taken' : 'refused']++
      }),
      { numRuns: 2000 },
    )
    expect(Math.min(counts.taken, counts.refused)).toBeGreaterThan(50)
  })

  it('are all known to the receiver, but for what is said to people', () => {
    for (const name of NAMES) {
      expect(
        refusal(() => readFrame(name, '{}')),
        name,
      ).toBe(name === 'announcement' ? null : 'RECEIVER_FEED_MALFORMED')
    }
  })
})
