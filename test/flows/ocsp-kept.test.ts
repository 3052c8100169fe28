import { describe, expect, it } from 'vitest'
import { toHex, type Bytes } from '#kernel/bytes.ts'
import { HOUR, MINUTE, SECOND } from '#kernel/instant.ts'
import { FOR_EVER } from '#revocation/index.ts'
import { encodeOcspRequest, type CertId } from '#x509/index.ts'
import { byState } from '../support/authority-steps.ts'
import { OcspHouse } from '../support/ocsp.ts'

const GOOD = { kind: 'good' }
const nonce = (length = 32): Bytes => new Uint8Array(length).fill(7)

describe('an answer that is kept', () => {
  it('O13 is given again until half of its validity is over, and then made anew', async () => {
    const house = await OcspHouse.open()
    const serial = await house.issue()
    const certIds = [house.certId(serial)]
    const first = await house.ask(certIds)
    house.domain.clock.advance(30 * MINUTE - SECOND)
    expect((await house.ask(certIds)).der).toEqual(first.der)
    house.domain.clock.advance(SECOND)
    expect((await house.ask(certIds)).der).not.toEqual(first.der)
    expect(house.seen.said).toEqual(['good signed', 'good kept', 'good signed'])
  })

  it('O12 may be copied for five minutes at most, and never for longer than half of what is left', async () => {
    const house = await OcspHouse.open()
    const certIds = [house.certId(await house.issue())]
    expect((await house.ask(certIds)).fresh).toMatchObject({ maxAge: 300 })
    house.domain.keys.remove(house.delegates('active')[0]?.keyReference ?? '')
    house.domain.clock.advance(55 * MINUTE)
    expect((await house.ask(certIds)).fresh).toMatchObject({ maxAge: 150 })
  })

  it('is given while the key is away, as long as it is valid and still true; then we are asked to be patient', async () => {
    const house = await OcspHouse.open()
    const serial = await house.issue()
    expect(await house.statusOf(serial)).toEqual(GOOD)
    house.domain.keys.remove(house.delegates('active')[0]?.keyReference ?? '')
    house.domain.clock.advance(45 * MINUTE)
    expect(await house.statusOf(serial)).toEqual(GOOD)
    expect(house.seen.failures).toMatchObject([{ code: 'KEY_UNUSABLE' }])
    await house.cutOff('instance', 'i-0000000000000000', FOR_EVER)
    expect(await house.statusOf(serial)).toBe('tryLater')
  })

  it('is not given once it has run out', async () => {
    const house = await OcspHouse.open()
    const serial = await house.issue()
    expect(await house.statusOf(serial)).toEqual(GOOD)
    house.domain.keys.remove(house.delegates('active')[0]?.keyReference ?? '')
    house.domain.clock.advance(HOUR)
    expect(await house.statusOf(serial)).toBe('tryLater')
  })

  it('is not given when the store cannot say that it still holds', async () => {
    const house = await OcspHouse.open()
    const serial = await house.issue()
    expect(await house.statusOf(serial)).toEqual(GOOD)
    house.domain.store.failReads = true
    const { der } = await house.responder.answer(
      encodeOcspRequest({ certIds: [certId(house, serial)], nonce: undefined }),
    )
    expect(toHex(der)).toBe('30030a0103')
  })

  it('is signed once for all who ask at the same time', async () => {
    const house = await OcspHouse.open()
    const certIds = [house.certId(await house.issue())]
    const before = house.domain.keys.signatures
    await Promise.all(Array.from({ length: 50 }, () => house.ask(certIds)))
    expect(house.domain.keys.signatures - before).toBe(1)
  })
})

/** Read from the record that was there before the store went away. */
function certId(house: OcspHouse, serial: string): CertId {
  return house.certId(serial, 'sha256', byState(house.domain, 'x509', 'active'))
}

describe('more than can be signed', () => {
  it('O3 is told to come back', async () => {
    const house = await OcspHouse.open()
    const certIds = [house.certId(await house.issue())]
    const replies = await Promise.all(Array.from({ length: 300 }, () => house.ask(certIds, nonce())))
    const said = replies.map(({ der }) => (toHex(der) === '30030a0103' ? 'tryLater' : 'answered'))
    expect(said.filter((one) => one === 'answered').length).toBeGreaterThanOrEqual(128)
    expect(said).toContain('tryLater')
  })
})

describe('a signature that is wrong', () => {
  it('does not leave: we are asked to be patient', async () => {
    const house = await OcspHouse.open()
    const serial = await house.issue()
    house.domain.keys.lie = (signature) => signature.with(-1, (signature.at(-1) ?? 0) ^ 1)
    expect(await house.statusOf(serial)).toBe('tryLater')
    expect(house.seen.failures).toMatchObject([{ code: 'STATUS_SIGNATURE_INVALID' }])
  })
})
