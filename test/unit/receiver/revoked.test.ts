import { createHash } from 'node:crypto'
import { beforeAll, describe, expect, it } from 'vitest'
import { toHex } from '#kernel/bytes.ts'
import { after, MINUTE, SECOND, type Instant } from '#kernel/instant.ts'
import type { FeedFrame } from '#receiver/feed/frames.ts'
import { Revoked } from '#receiver/feed/revoked.ts'
import type { CertificateFacts } from '#receiver/index.ts'
import { parseCertificate } from '#x509/index.ts'
import { ReceiverSetup } from '../../support/receiver-setup.ts'
import { BOT, CLASSIFIER, ISSUER, NOW, taskTokenClaims } from '../../support/tokens.ts'

const ISSUED = after(NOW, 30 * SECOND)
const digest = (text: string): string => createHash('sha256').update(text).digest('hex')

let withTime: CertificateFacts
let withoutTime: CertificateFacts

beforeAll(async () => {
  const setup = await ReceiverSetup.create()
  setup.clock.set(after(NOW, MINUTE))
  const receiver = setup.receiver()
  const [timed, untimed] = await Promise.all([
    setup.authority.issue(CLASSIFIER, { issuedAt: ISSUED }),
    setup.authority.issue(CLASSIFIER),
  ])
  withTime = receiver.verifyCertificate([timed.certificate]).facts
  withoutTime = receiver.verifyCertificate([untimed.certificate]).facts
  const leaf = parseCertificate(timed.certificate)
  expect(withTime.serials).toEqual([toHex(leaf.serial)])
  expect(withTime.spki).toBe(toHex(leaf.publicKey.spkiHash))
})

type Kind = Extract<FeedFrame, { event: 'cutoff' }>['kind']

function heard(frame: FeedFrame): Revoked {
  const revoked = new Revoked()
  revoked.apply(frame, 0)
  return revoked
}

const cut = (kind: Kind, value: string, before: Instant): Revoked => heard({ event: 'cutoff', kind, value, before })

describe('what a cutoff reaches', () => {
  const ofCertificates: readonly (readonly [Kind, () => string, () => string])[] = [
    ['trust-domain', () => 'example.org', () => 'other.org'],
    ['authority', () => withTime.authorities[0]?.keyIdentifier ?? '', () => 'ab'],
    ['agent', () => 'spiffe://example.org/agent/classifier', () => 'spiffe://example.org/agent/class'],
    ['agent', () => CLASSIFIER.toString(), () => 'spiffe://example.org/agent'],
    ['spki', () => withTime.spki, () => 'ab'.repeat(32)],
  ]

  it.each(ofCertificates)('%s: a certificate that was issued before, and no other', (kind, value, other) => {
    expect(cut(kind, value(), after(ISSUED, 1)).certificate(withTime)).toBe(kind)
    expect(cut(kind, value(), ISSUED).certificate(withTime)).toBeNull()
    expect(cut(kind, other(), after(ISSUED, MINUTE)).certificate(withTime)).toBeNull()
  })

  it('takes notBefore for the issue time where a certificate does not say it, which is never later', () => {
    const before = after(NOW, -MINUTE + 1)
    expect(cut('trust-domain', 'example.org', before).certificate(withoutTime)).toBe('trust-domain')
    expect(cut('trust-domain', 'example.org', before).certificate(withTime)).toBeNull()
  })

  const ofTokens: readonly (readonly [Kind, string, string])[] = [
    ['trust-domain', 'example.org', 'other.org'],
    ['agent', 'spiffe://example.org/agent/classifier', 'spiffe://example.org/agent/other'],
    ['actor', 'spiffe://example.org/agent/classifier', 'spiffe://example.org/agent/other'],
    ['actor', 'spiffe://example.org/agent/invoice-bot', 'spiffe://example.org/agent/invoice'],
    ['actor', BOT.toString(), 'spiffe://example.org/agent/invoice-bot/i-0'],
    ['task', 'task_06f5wwhv2rtzka9bfdsk1qpyt4', 'task_06f5wwhv2rtzka9bfdsk1qpyt5'],
    ['subject', digest(`${ISSUER}\nuser:corp-idp:00u1a2b3`), digest('user:corp-idp:00u1a2b3')],
  ]

  it.each(ofTokens)('%s %s: a token that was issued before, and no other', (kind, value, other) => {
    const claims = taskTokenClaims()
    expect(cut(kind, value, after(NOW, SECOND)).token(claims, 'example.org')).toBe(kind)
    expect(cut(kind, value, NOW).token(claims, 'example.org')).toBeNull()
    expect(cut(kind, other, after(NOW, SECOND)).token(claims, 'example.org')).toBeNull()
  })

  it('is the actor of a token, and not the certificate of the same agent', () => {
    const revoked = cut('actor', 'spiffe://example.org/agent/classifier', after(ISSUED, MINUTE))
    expect(revoked.certificate(withTime)).toBeNull()
  })

  it('is the key of a proof, by the issue time of the token', () => {
    expect(cut('spki', 'ab'.repeat(32), after(NOW, SECOND)).key('ab'.repeat(32), NOW)).toBe('spki')
    expect(cut('spki', 'ab'.repeat(32), NOW).key('ab'.repeat(32), NOW)).toBeNull()
  })

  it('only rises', () => {
    const revoked = cut('trust-domain', 'example.org', after(ISSUED, 1))
    revoked.apply({ event: 'cutoff', kind: 'trust-domain', value: 'example.org', before: NOW }, 0)
    expect(revoked.certificate(withTime)).toBe('trust-domain')
  })
})

describe('what is named by itself', () => {
  it('is the serial number, the jti, and the agent while it is suspended', () => {
    const claims = taskTokenClaims()
    expect(heard({ event: 'certificate', serial: withTime.serials[0] ?? '' }).certificate(withTime)).toBe('serial')
    expect(heard({ event: 'certificate', serial: '0a' }).certificate(withTime)).toBeNull()
    expect(heard({ event: 'token', jti: claims.id }).token(claims, 'example.org')).toBe('jti')
    const spiffeId = 'spiffe://example.org/agent/classifier'
    const revoked = heard({ event: 'agent', spiffeId, isSuspended: true })
    expect([revoked.certificate(withTime), revoked.token(claims, 'example.org')]).toEqual(['suspended', 'suspended'])
    revoked.apply({ event: 'agent', spiffeId, isSuspended: false }, 0)
    expect([revoked.certificate(withTime), revoked.token(claims, 'example.org')]).toEqual([null, null])
  })
})
