import { describe, expect, it } from 'vitest'
import { issueX509Svid } from '#flows/issue-x509-svid.ts'
import { keepDelegates } from '#flows/keep-delegates.ts'
import { reconcileIntents } from '#flows/reconcile-intents.ts'
import { toHex, type Bytes } from '#kernel/bytes.ts'
import { after, HOUR, MINUTE, SECOND, wholeSecond } from '#kernel/instant.ts'
import { FOR_EVER } from '#revocation/index.ts'
import { encodeOcspRequest, IssuerNames, OCSP_REQUEST_LIMITS } from '#x509/index.ts'
import { answerIn, certificateOf, OcspHouse } from '../support/ocsp.ts'
import { step, withSuccessor } from '../support/authority-steps.ts'
import { svidOrder } from '../support/trust-domain.ts'
import { TestAuthority } from '../support/x509.ts'

const GOOD = { kind: 'good' }
const UNKNOWN = { kind: 'unknown' }
const nonce = (length = 32): Bytes => new Uint8Array(length).fill(7)

async function replyTo(house: OcspHouse, request: Bytes): Promise<string> {
  const answer = answerIn((await house.responder.answer(request)).der, certificateOf(house.issuer))
  return typeof answer === 'string' ? answer : 'successful'
}

describe('what is answered about a certificate', () => {
  it('O2 is good for one that is issued, by either name of its issuer (O7), and counts which was used', async () => {
    const house = await OcspHouse.open()
    const serial = await house.issue()
    expect(await house.statusOf(serial, 'sha256')).toEqual(GOOD)
    expect(await house.statusOf(serial, 'sha1')).toEqual(GOOD)
    expect(house.seen.hashes).toEqual(['sha256', 'sha1'])
  })

  it('O2 is unknown for a serial number that nobody has, and is not kept for others', async () => {
    const house = await OcspHouse.open()
    expect(await house.statusOf('01'.repeat(18))).toEqual(UNKNOWN)
    expect((await house.ask([house.certId('01'.repeat(18))])).fresh).toBeNull()
  })

  it('O2 is unknown while it is being issued, and revoked when it was given up', async () => {
    const house = await OcspHouse.open()
    const { domain } = house
    domain.keys.fail = { when: 'after', signature: domain.keys.signatures + 1 }
    await expect(issueX509Svid(domain.ports, await svidOrder(domain))).rejects.toMatchObject({ code: 'KEY_UNUSABLE' })
    domain.keys.fail = null
    const intent = domain.store.all('Certificate').find(({ state }) => state === 'intent')
    const serial = intent?.serial ?? ''
    expect(await house.statusOf(serial)).toEqual(UNKNOWN)
    domain.clock.advance(2 * MINUTE)
    await reconcileIntents(domain.ports, { startedAs: null })
    expect(await house.statusOf(serial)).toMatchObject({ kind: 'revoked', reason: 'unspecified' })
  })

  it('O2 is unknown under another authority than its own', async () => {
    const house = await OcspHouse.open()
    const serial = await house.issue()
    const next = await withSuccessor(house.domain)
    await keepDelegates(house.domain.ports)
    expect(await house.statusOf(serial, 'sha256', next)).toEqual(UNKNOWN)
  })

  it('is given for certificates of our own as well: authority, canary and responder', async () => {
    const house = await OcspHouse.open()
    const rows = house.domain.store.all('Certificate')
    expect(rows.map(({ kind }) => kind).sort()).toEqual(['authority', 'canary', 'ocsp'])
    for (const { serial } of rows) expect(await house.statusOf(serial)).toEqual(GOOD)
  })
})

describe('promise 6: what was taken back', () => {
  const HANDLES = [
    ['instance', 'i-0000000000000000'],
    ['lineage', 'lin_00000000000000000000000001'],
    ['agent', 'agt_00000000000000000000000001'],
    ['evidence', '5a'.repeat(32)],
    ['trust-domain', 'example.org'],
  ] as const

  it.each(HANDLES)(
    'O14 is revoked from the commit on, by %s, also where a good answer is kept',
    async (kind, value) => {
      const house = await OcspHouse.open()
      const serial = await house.issue()
      const other = house.replica()
      const request = encodeOcspRequest({ certIds: [house.certId(serial)], nonce: undefined })
      expect(await house.statusOf(serial)).toEqual(GOOD)
      await other.answer(request)
      const at = house.domain.clock.advance(1500)
      await house.cutOff(kind, value, FOR_EVER, 'privilege_withdrawn')
      const revoked = { kind: 'revoked', at: wholeSecond(at), reason: 'privilegeWithdrawn' }
      expect(await house.statusOf(serial)).toEqual(revoked)
      const answer = answerIn((await other.answer(request)).der, certificateOf(house.issuer))
      expect(answer).toMatchObject({ responses: [{ status: revoked }] })
    },
  )

  it('is what was issued before: a cutoff until now leaves what comes later alone', async () => {
    const house = await OcspHouse.open()
    const old = await house.issue()
    await house.cutOff('agent', 'agt_00000000000000000000000001', after(house.domain.clock.now(), SECOND))
    house.domain.clock.advance(2 * SECOND)
    const young = await house.issue({ instance: { id: 'i-0000000000000001' } })
    expect(await house.statusOf(old)).toMatchObject({ kind: 'revoked', reason: 'keyCompromise' })
    expect(await house.statusOf(young)).toEqual(GOOD)
  })

  it('keeps the time of the first revocation, and the worse of the reasons', async () => {
    const house = await OcspHouse.open()
    const serial = await house.issue()
    const first = house.domain.clock.advance(5 * SECOND)
    await house.cutOff('instance', 'i-0000000000000000', FOR_EVER, 'superseded')
    house.domain.clock.advance(5 * SECOND)
    await house.cutOff('lineage', 'lin_00000000000000000000000001', FOR_EVER, 'key_compromise')
    const said = { kind: 'revoked', at: wholeSecond(first), reason: 'keyCompromise' }
    expect(await house.statusOf(serial)).toEqual(said)
  })
})

describe('what is no question for us', () => {
  it('O3 is malformed: no DER, too much, too many, a nonce that is none, a critical extension', async () => {
    const house = await OcspHouse.open()
    const certId = house.certId('01'.repeat(18))
    const many = Array.from({ length: OCSP_REQUEST_LIMITS.requests + 1 }, () => certId)
    const REQUESTS: readonly Bytes[] = [
      new Uint8Array(),
      new Uint8Array([0x30, 0x80]),
      new Uint8Array(OCSP_REQUEST_LIMITS.bytes + 1),
      encodeOcspRequest({ certIds: many, nonce: undefined }),
      encodeOcspRequest({ certIds: [certId], nonce: nonce(0) }),
      encodeOcspRequest({ certIds: [certId], nonce: nonce(129) }),
    ]
    for (const request of REQUESTS) expect(await replyTo(house, request)).toBe('malformedRequest')
    expect(house.seen.failures).toEqual([])
  })

  it('O3 is of another issuer, or of two issuers at once: we are not authorized to answer', async () => {
    const house = await OcspHouse.open()
    const foreign = new IssuerNames(TestAuthority.root('Somebody else').certificate).certId('sha256', nonce(18))
    const ours = house.certId('01'.repeat(18))
    for (const certIds of [[foreign], [ours, foreign]]) {
      expect(await replyTo(house, encodeOcspRequest({ certIds, nonce: undefined }))).toBe('unauthorized')
    }
  })

  it('O3 is of an authority whose certificates have all run out', async () => {
    const house = await OcspHouse.open()
    const request = encodeOcspRequest({ certIds: [house.certId('01'.repeat(18))], nonce: undefined })
    const { issuer } = house
    house.domain.clock.set(issuer.notAfter)
    expect(await replyTo(house, request)).toBe('unauthorized')
  })
})

describe('the form of an answer', () => {
  it('O8 has the nonce of the request, octet for octet, and may not be kept by others', async () => {
    const house = await OcspHouse.open()
    const serial = await house.issue()
    for (const length of [1, 16, 32, 128]) {
      const reply = await house.ask([house.certId(serial)], nonce(length))
      expect(answerIn(reply.der, certificateOf(house.issuer))).toMatchObject({ nonce: nonce(length) })
      expect(reply.fresh).toBeNull()
    }
    const [once, twice] = [await house.ask([house.certId(serial)]), await house.ask([house.certId(serial)])]
    expect(answerIn(once.der, certificateOf(house.issuer))).toMatchObject({ nonce: undefined })
    expect(twice.der).toEqual(once.der)
  })

  it('O7 O10 says of each of several certificates what was asked, by the hash and in the order of the request', async () => {
    const house = await OcspHouse.open()
    const serial = await house.issue()
    const certIds = [
      house.certId('02'.repeat(18), 'sha1'),
      house.certId(serial, 'sha256'),
      house.certId(serial, 'sha1'),
    ]
    const answer = answerIn((await house.ask(certIds)).der, certificateOf(house.issuer))
    if (typeof answer === 'string') throw new TypeError(answer)
    expect(answer.responses.map(({ certId }) => certId)).toEqual(certIds)
    expect(answer.responses.map(({ status }) => status)).toEqual([UNKNOWN, GOOD, GOOD])
  })

  it('O4 O5 O6 is signed by a delegate of the very issuer that is good for nothing else, and known by its key', async () => {
    const house = await OcspHouse.open()
    const serial = await house.issue()
    const answer = answerIn((await house.ask([house.certId(serial)])).der, certificateOf(house.issuer))
    if (typeof answer === 'string') throw new TypeError(answer)
    const [delegate] = house.delegates('active')
    const certificate = certificateOf(delegate ?? house.issuer)
    expect(answer.certificates).toEqual([certificate.der])
    expect(answer.responderKey).toEqual(certificate.publicKey.keyIdentifier)
    expect(certificate.extensions.map(({ kind }) => kind).sort()).toEqual(
      [
        'authorityKeyIdentifier',
        'basicConstraints',
        'extKeyUsage',
        'keyUsage',
        'ocspNoCheck',
        'subjectKeyIdentifier',
      ].sort(),
    )
    expect(toHex(certificate.der)).toContain('06092b0601050507300105' + '0402' + '0500')
  })

  it('O9 is true as of now, for an hour; what is unknown for a minute', async () => {
    const house = await OcspHouse.open()
    const serial = await house.issue()
    const now = wholeSecond(house.domain.clock.advance(321))
    for (const [asked, length] of [
      [serial, HOUR],
      ['01'.repeat(18), MINUTE],
    ] as const) {
      const answer = answerIn((await house.ask([house.certId(asked)])).der, certificateOf(house.issuer))
      expect(answer).toMatchObject({
        producedAt: now,
        responses: [{ thisUpdate: now, nextUpdate: after(now, length) }],
      })
    }
  })
})

describe('an authority that signs no more', () => {
  it.each(['retiring', 'retired', 'tainted'] as const)('is answered for when it is %s', async (state) => {
    const house = await OcspHouse.open()
    const { domain, issuer } = house
    const good = await house.issue()
    const bad = await house.issue({ instance: { id: 'i-0000000000000001' } })
    const next = await withSuccessor(domain)
    await step(domain, next.id, 'activate')
    if (state === 'retired') await step(domain, issuer.id, 'retire', true)
    if (state === 'tainted') await step(domain, issuer.id, 'taint')
    await house.cutOff('instance', 'i-0000000000000001', FOR_EVER)
    // Its responder is replaced as ever.
    domain.clock.advance(40 * HOUR * (state === 'retired' ? 0.5 : 1))
    const { failed } = await keepDelegates(domain.ports)
    expect(failed).toEqual([])
    expect(
      house
        .delegates('active')
        .map((one) => one.issuer)
        .sort(),
    ).toEqual([issuer.id, next.id].sort())
    expect(await house.statusOf(good, 'sha1', issuer)).toEqual(GOOD)
    expect(await house.statusOf(bad, 'sha1', issuer)).toMatchObject({ kind: 'revoked' })
  })
})
