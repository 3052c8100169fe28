import { describe, expect, it } from 'vitest'
import { Ledger } from '../../scripts/soak/ledger.ts'
import { ACCEPTED, type Attempt, type Failure, type Where } from '../../scripts/soak/sightings.ts'

/** When the key `old` was tainted, and when that was answered. */
const [FROM, ANSWERED] = [100_000, 100_100]
const ALLOWANCE = 2000
const WITHIN = 10_000

const NOTHING = { handshakes: 0, calls: 0, tokens: 0, svids: 0, renewals: 0 }
const KINDS = ['x509', 'access-token', 'jwt-svid'] as const

function newLedger(): Ledger {
  const ledger = new Ledger(ALLOWANCE)
  for (const kind of KINDS) {
    const within = kind === 'x509' ? WITHIN : 0
    ledger.tainted({ keys: [`${kind}:old`], from: FROM, until: ANSWERED, unused: false, within })
  }
  accept(ledger, 'peer', ['x509:new', 'jwt-svid:new'])
  accept(ledger, 'service', ['x509:new', 'access-token:new'])
  return ledger
}

function accept(ledger: Ledger, where: Where, keys: readonly string[], start = ANSWERED + 1): void {
  ledger.take({ done: NOTHING, accepted: [{ where, keys, starts: [start] }], failures: [], attempts: [] })
}

function fail(ledger: Ledger, changes: Partial<Failure>): void {
  const failure: Failure = {
    ...{ what: 'token', where: 'service', keys: ['x509:new', 'access-token:old'], why: 'RECEIVER_TOKEN_INVALID' },
    ...{ asked: FROM - 50, from: FROM + 50, to: FROM + 90 },
    ...changes,
  }
  ledger.take({ done: NOTHING, accepted: [], failures: [failure], attempts: [] })
}

function attempt(ledger: Ledger, changes: Partial<Attempt>): void {
  const one: Attempt = {
    ...{ what: 'a token of a tainted key', where: 'service', deadSince: ANSWERED, at: ANSWERED + ALLOWANCE },
    ...{ outcome: 'RECEIVER_TOKEN_INVALID' },
    ...changes,
  }
  ledger.take({ done: NOTHING, accepted: [], failures: [], attempts: [one] })
}

/** Of whatever was refused: whether a taint explains it. */
function judged(changes: Partial<Failure>): 'explained' | 'counted' {
  const ledger = newLedger()
  fail(ledger, changes)
  const { failedHandshakes, failedCalls, validRefused, refusedAsTainted } = ledger.figures
  expect(failedHandshakes + failedCalls + validRefused + refusedAsTainted).toBe(1)
  expect(ledger.isClean).toBe(refusedAsTainted === 1)
  return refusedAsTainted === 1 ? 'explained' : 'counted'
}

describe('what the soak takes as explained by a taint', () => {
  it('is a token that the tainted key had signed before the taint was answered', () => {
    expect(judged({})).toBe('explained')
    expect(judged({ asked: ANSWERED, from: ANSWERED + 5, to: ANSWERED + 9 })).toBe('explained')
    const svid = { where: 'peer', keys: ['x509:new', 'jwt-svid:old'], why: 'JWT_KEY_UNKNOWN {"kid":"old"}' } as const
    expect(judged(svid)).toBe('explained')
  })

  it('is not a token of the new key, or of any other', () => {
    expect(judged({ keys: ['x509:new', 'access-token:new'] })).toBe('counted')
    expect(judged({ keys: ['x509:new', 'access-token:old'], where: 'peer', why: 'JWT_KEY_UNKNOWN' })).toBe('counted')
  })

  it('is not a token of the new key that comes with a certificate of the tainted authority', () => {
    expect(judged({ keys: ['x509:old', 'access-token:new'] })).toBe('counted')
    expect(judged({ keys: ['x509:old', 'access-token:new'], why: 'RECEIVER_CERTIFICATE_REVOKED' })).toBe('explained')
  })

  it('is not a token that the server gave out under the tainted key afterwards', () => {
    expect(judged({ asked: ANSWERED + 1, from: ANSWERED + 50, to: ANSWERED + 90 })).toBe('counted')
  })

  it('is not what failed before the taint', () => {
    expect(judged({ from: FROM - 20, to: FROM - 1 })).toBe('counted')
  })

  it('is not a failure for another reason, whatever its keys', () => {
    for (const why of [
      'RECEIVER_TOKEN_INACTIVE',
      'RECEIVER_VIEW_STALE',
      'ECONNRESET',
      'status 500: oops',
      'JWT_EXPIRED',
    ]) {
      expect(judged({ why, keys: ['x509:old', 'access-token:old'] })).toBe('counted')
    }
  })

  it('is a handshake with a certificate of the tainted authority, as long as its holder may take to renew', () => {
    const shake = { what: 'handshake', where: 'peer', why: 'PEER_NOT_TRUSTED' } as const
    const at = (from: number) => ({ ...shake, keys: ['x509:old'], asked: from, from, to: from + 10 })
    expect(judged(at(ANSWERED + WITHIN))).toBe('explained')
    expect(judged(at(ANSWERED + WITHIN + 1))).toBe('counted')
    expect(judged({ ...at(ANSWERED), keys: ['x509:new'] })).toBe('counted')
  })

  it('is none any more when everybody has left the authority', () => {
    const ledger = newLedger()
    ledger.left(['x509:old'], ANSWERED + 500)
    const from = ANSWERED + 501
    const shake = { what: 'handshake', where: 'peer', why: 'PEER_NOT_TRUSTED', keys: ['x509:old'] } as const
    fail(ledger, { ...shake, asked: from, from, to: from + 10 })
    expect(ledger.figures).toMatchObject({ failedHandshakes: 1, refusedAsTainted: 0 })
  })

  it('goes, of a peer that was not trusted, by what that showed, and not by what the caller holds', () => {
    const call = { what: 'handshake', where: 'peer', keys: ['x509:old'] } as const
    expect(judged({ ...call, why: 'SERVER_NOT_TRUSTED {"authority":"abc"}' })).toBe('counted')
    expect(judged({ ...call, why: 'SERVER_NOT_TRUSTED' })).toBe('counted')
  })

  it('is never the server itself that shows something wrong', () => {
    expect(judged({ what: 'call', where: 'server', keys: ['x509:old'], why: 'SERVER_NOT_TRUSTED' })).toBe('counted')
  })

  it('is nothing where a key was retired of which nothing was in use', () => {
    const ledger = new Ledger(ALLOWANCE)
    ledger.tainted({ keys: ['access-token:old'], from: FROM, until: ANSWERED, unused: true, within: 0 })
    fail(ledger, {})
    expect(ledger.figures).toMatchObject({ validRefused: 1, refusedAsTainted: 0 })
  })
})

describe('what the soak counts as invalid and accepted', () => {
  it('is a dead thing that was shown on purpose and taken when the allowance was over', () => {
    const ledger = newLedger()
    attempt(ledger, { outcome: ACCEPTED, at: ANSWERED + ALLOWANCE - 1 })
    expect(ledger.figures).toMatchObject({ invalidAccepted: 0, acceptedWithinAllowance: 1 })
    attempt(ledger, { outcome: ACCEPTED })
    expect(ledger.figures).toMatchObject({ invalidAccepted: 1, acceptedWithinAllowance: 1 })
    expect(ledger.isClean).toBe(false)
  })

  it('is whatever an agent went on with that was dead by then', () => {
    const ledger = newLedger()
    ledger.died({ key: 'access-token:old', where: 'service', from: ANSWERED })
    accept(ledger, 'service', ['x509:new', 'access-token:old'], ANSWERED + ALLOWANCE)
    accept(ledger, 'service', ['x509:new', 'access-token:old'], ANSWERED + ALLOWANCE + 1)
    expect(ledger.figures).toMatchObject({ invalidAccepted: 1, acceptedWithinAllowance: 1 })
  })
})

describe('what the soak demands besides', () => {
  it('is that something of a successor was accepted after each taint', () => {
    const ledger = new Ledger(ALLOWANCE)
    ledger.tainted({ keys: ['access-token:old'], from: FROM, until: ANSWERED, unused: false, within: 0 })
    accept(ledger, 'service', ['x509:new', 'access-token:old'])
    accept(ledger, 'service', ['x509:new', 'access-token:new'], ANSWERED)
    expect(ledger.figures.unproven).toBe(1)
    expect(ledger.isClean).toBe(false)
    accept(ledger, 'service', ['x509:new', 'access-token:new'])
    expect(ledger.isClean).toBe(true)
  })

  it('is that somebody judged the dead thing itself, and not the connection or the certificate that it came with', () => {
    const ledger = newLedger()
    attempt(ledger, { outcome: 'ECONNREFUSED' })
    attempt(ledger, { outcome: 'RECEIVER_CERTIFICATE_INVALID' })
    expect(ledger.figures).toMatchObject({ invalidUnjudged: 2, unproven: 1 })
    expect(ledger.isClean).toBe(false)
    attempt(ledger, {})
    expect(ledger.isClean).toBe(true)
  })
})
