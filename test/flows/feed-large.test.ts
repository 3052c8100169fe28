import { describe, expect, it } from 'vitest'
import { frame, piecesOf, textOf } from '#flows/feed/frame.ts'
import { Listener } from '#flows/feed/listener.ts'
import { codeOfAsync } from '../support/code-of.ts'

describe('one event that is more than may wait', () => {
  const many = Array.from({ length: 20_000 }, (_, index) =>
    frame('certificate', { serial: String(index).padStart(40, '0') }, null),
  )

  it('cuts nobody off who has taken everything so far, and whoever then takes nothing', async () => {
    const listener = new Listener(new Set(), -1)
    listener.hand({ position: 0, frames: many })
    expect((await listener.next())?.[0]?.frames).toHaveLength(20_000)
    listener.hand({ position: 1, frames: many })
    listener.hand({ position: 2, frames: many.slice(0, 1) })
    expect(await codeOfAsync(() => listener.next())).toBe('FEED_TOO_SLOW')
  })

  it('is written in pieces, of which only the last lets a reader continue', () => {
    const pieces = [...piecesOf(many, 7)]
    expect(pieces).toHaveLength(40)
    expect(pieces.join('')).toBe(textOf(many, 7))
    expect(pieces.filter((piece) => piece.includes('id: '))).toEqual([pieces.at(-1)])
    expect([...piecesOf([], 7)]).toEqual([])
  })
})
