import { describe, expect, it } from 'vitest'
import { toHex, type Bytes } from '#kernel/bytes.ts'
import { KeptAnswers, type AnswerKey } from '#flows/ocsp/kept-answers.ts'
import { OcspResponder } from '#flows/ocsp/responder.ts'
import type { Keys } from '#flows/ports.ts'
import { after, HOUR, instant, MINUTE, SECOND } from '#kernel/instant.ts'
import type { Signer } from '#kernel/signer.ts'
import { FOR_EVER, type SignedAnswer } from '#revocation/index.ts'
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

/** Serial numbers that nobody has are without number. */
const madeUp = (number: number): string => `01${number.toString(16).padStart(34, '0')}`

describe('a storm of questions about serial numbers that nobody has', () => {
  let gate = Promise.resolve()
  let [atWork, most] = [0, 0]

  /** With keys that sign when the gate is open. */
  async function openSlow(): Promise<OcspHouse> {
    const house = await OcspHouse.open()
    const { keys } = house.domain
    const open: Keys['open'] = async (reference) => {
      const signer = await keys.open(reference)
      const sign: Signer['sign'] = async (message) => {
        most = Math.max(most, ++atWork)
        await gate
        atWork--
        return signer.sign(message)
      }
      return { algorithm: signer.algorithm, publicKey: signer.publicKey, sign }
    }
    const slow: Keys = { open, generate: (algorithm, kind) => keys.generate(algorithm, kind) }
    house.responder = new OcspResponder({ ...house.domain.ports, keys: slow, observer: house.seen })
    return house
  }

  it('O3 O14 never has more than 128 signatures under way; what is kept is given meanwhile, and all is well after it', async () => {
    const house = await openSlow()
    const instance = { id: 'i-1', spiffeId: 'spiffe://example.org/agent/invoice-bot/i-1' }
    const [known, other] = [await house.issue(), await house.issue({ instance })]
    expect(await house.statusOf(known)).toEqual(GOOD)
    let letThrough = (): void => undefined
    gate = new Promise((resolve) => (letThrough = resolve))
    const storm = Array.from({ length: 2000 }, (_, number) => house.ask([house.certId(madeUp(number))]))
    await expect.poll(() => atWork, { timeout: 20_000 }).toBe(128)
    expect(await house.statusOf(known)).toEqual(GOOD)
    expect(await house.statusOf(other)).toBe('tryLater')
    letThrough()
    const said = (await Promise.all(storm)).map(({ der }) => (toHex(der) === '30030a0103' ? 'tryLater' : 'answered'))
    expect(said.filter((one) => one === 'answered')).toHaveLength(128)
    expect([atWork, most]).toEqual([0, 128])
    expect(await house.statusOf(other)).toEqual(GOOD)
  })

  it('takes no room: the answers to 5,000 of them push out nothing of what is kept', async () => {
    const house = await openSlow()
    const known = await house.issue()
    const first = await house.ask([house.certId(known)])
    for (let number = 0; number < 5000; number += 100) {
      const some = Array.from({ length: 100 }, (_, index) => house.certId(madeUp(number + index)))
      await Promise.all(some.map((certId) => house.ask([certId])))
    }
    expect((await house.ask([house.certId(known)])).der).toEqual(first.der)
    expect(house.seen.said.at(-1)).toBe('good kept')
  }, 120_000)

  it('of those that somebody has, the answers that are kept are bounded as well: the first makes room', () => {
    const kept = new KeptAnswers()
    const now = instant(1_000_000)
    const answer: SignedAnswer = {
      der: new Uint8Array(),
      thisUpdate: now,
      nextUpdate: after(now, HOUR),
    }
    const key = (number: number): AnswerKey => ({
      ...{ delegate: 'aut_1', hash: 'sha256', serial: madeUp(number), status: { kind: 'good' } },
    })
    for (let number = 0; number <= 4096; number++) kept.keep(key(number), answer)
    expect(kept.fresh(key(0), now)).toBeNull()
    expect(kept.fresh(key(1), now)).toBe(answer)
    expect(kept.fresh(key(4096), now)).toBe(answer)
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
