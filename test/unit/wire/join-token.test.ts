import fc from 'fast-check'
import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { isWritError } from '#kernel/errors.ts'
import { formatJoinToken, parseJoinToken } from '#wire/index.ts'

const bytes = (length: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ minLength: length, maxLength: length })
const pins = fc.array(bytes(32), { minLength: 1, maxLength: 5 })

describe('a join token', () => {
  it('reads back as it was written', () => {
    fc.assert(
      fc.property(bytes(24), pins, (random, anchors) => {
        const text = formatJoinToken(random, anchors).reveal()
        const parsed = parseJoinToken(text)
        expect(parsed.pins).toEqual(anchors)
        expect(parsed.secret.reveal()).toBe(text.slice(0, text.indexOf('.')))
      }),
    )
  })

  it('is refused when anything about it is off, without being quoted', () => {
    const good = formatJoinToken(new Uint8Array(24), [new Uint8Array(32)]).reveal()
    const bad = [
      '',
      'wjt_',
      good.slice(4),
      good.slice(0, -1),
      `${good}.`,
      `${good}=`,
      good.replace('.', '..'),
      ` ${good}`,
      good.split('.')[0] ?? '',
      `${good}${`.${'A'.repeat(43)}`.repeat(5)}`,
      good.replace(/A$/, 'B'),
      'x'.repeat(10_000),
    ]
    for (const text of bad) {
      const attempt = (): unknown => parseJoinToken(text)
      expect(attempt).toThrow(expect.objectContaining({ code: 'JOIN_TOKEN_MALFORMED' }))
      try {
        attempt()
      } catch (error) {
        if (text.length > 8) expect(inspect(error)).not.toContain(text)
        expect(isWritError(error)).toBe(true)
      }
    }
  })

  it('does not show itself when printed', () => {
    const token = formatJoinToken(new Uint8Array(24).fill(9), [new Uint8Array(32)])
    expect(`${String(token)}${JSON.stringify({ token })}${inspect(parseJoinToken(token.reveal()))}`).not.toContain(
      'wjt_',
    )
  })
})
