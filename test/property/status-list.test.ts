import { deflateSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { StatusArray, type StatusBits } from '#jwt/index.ts'
import { isWritError } from '#kernel/errors.ts'

const BITS: readonly StatusBits[] = [1, 2, 4, 8]

describe('property: status lists', () => {
  it('SL-1 what is written invalid is read invalid, and nothing else is', () => {
    const indexes = fc.uniqueArray(fc.nat({ max: 4095 }), { maxLength: 200 })
    fc.assert(
      fc.property(indexes, (invalid) => {
        const { bits, lst } = StatusArray.ofInvalid(4096, invalid).toJson()
        const list = StatusArray.read(bits, lst)
        const read = Array.from({ length: list.size }, (_, index) => index).filter(
          (index) => list.statusAt(index) === 1,
        )
        expect(read).toEqual([...invalid].sort((left, right) => left - right))
      }),
    )
  })

  it('SL-1 reads statuses of any size, least significant bits first', () => {
    const lists = fc.constantFrom(...BITS).chain((bits) =>
      fc.record({
        bits: fc.constant(bits),
        statuses: fc
          .array(fc.nat({ max: 2 ** bits - 1 }), { minLength: 1, maxLength: 300 })
          .map((statuses) => statuses.slice(0, Math.ceil(statuses.length / 8) * 8)),
      }),
    )
    fc.assert(
      fc.property(lists, ({ bits, statuses }) => {
        const text = statuses.map((status) => status.toString(2).padStart(bits, '0'))
        const perOctet = 8 / bits
        const octets: number[] = []
        for (let first = 0; first < text.length; first += perOctet) {
          octets.push(
            Number.parseInt(
              text
                .slice(first, first + perOctet)
                .reverse()
                .join(''),
              2,
            ),
          )
        }
        const list = StatusArray.read(bits, deflateSync(Buffer.from(octets)).toString('base64url'))
        expect(statuses.map((_, index) => list.statusAt(index))).toEqual(statuses)
      }),
    )
  })

  it('SL-2 whatever stands in a list is read, or refused with a code of ours', () => {
    fc.assert(
      fc.property(fc.anything(), fc.oneof(fc.base64String(), fc.anything()), (bits, lst) => {
        try {
          expect(StatusArray.read(bits, lst).size).toBeGreaterThanOrEqual(0)
        } catch (error) {
          expect(isWritError(error, 'STATUS_LIST_MALFORMED')).toBe(true)
        }
      }),
    )
  })
})
