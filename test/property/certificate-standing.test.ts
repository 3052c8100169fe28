import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { CertificateRecord } from '#issuance/index.ts'
import { after, instant, SECOND, type Instant } from '#kernel/instant.ts'
import {
  credentialCutoffKeys,
  crlReasonOf,
  CUTOFF_KINDS,
  cutoffKey,
  standingOf,
  type CutoffRecord,
  type StandingFacts,
} from '#revocation/index.ts'
import { REVOCATION_REASONS } from '#x509/index.ts'
import { agentRecord, instanceRecord } from '../support/trust-domain.ts'

const NOW: Instant = instant(1_797_840_000_000)
const instance = instanceRecord(agentRecord(NOW), { node: 'node-1', selectors: ['oidc:ci:a', 'oidc:ci:b'] })
const certificate: CertificateRecord = {
  serial: '01'.repeat(18),
  kind: 'svid',
  der: null,
  authority: 'aut_1',
  spiffeId: instance.spiffeId,
  agent: instance.agent,
  instance: instance.id,
  lineage: instance.lineage,
  renewed: null,
  spkiHash: 'ab'.repeat(32),
  tbsHash: 'cd'.repeat(32),
  crlShard: 0,
  issuedAt: NOW,
  notBefore: NOW,
  notAfter: after(NOW, 3_600_000),
  state: 'issued',
  revokedAt: null,
  reason: null,
  idempotencyKey: null,
}
const facts: StandingFacts = {
  trustDomain: 'example.org',
  authority: 'aut_1',
  serial: certificate.serial,
  certificate,
  instance,
  cutoffs: [],
  readAt: after(NOW, 600_000),
}
const keys = credentialCutoffKeys({ trustDomain: 'example.org', certificate, instance })
const reason = fc.constantFrom('key_compromise', 'superseded', 'unspecified', 'privilege_withdrawn', 'no word of ours')
const reached = fc.tuple(fc.constantFrom(...keys), reason, fc.nat(700_000), fc.integer({ min: -5000, max: 5000 }))
const foreign = fc.tuple(
  fc.constantFrom(...CUTOFF_KINDS).map((kind) => cutoffKey(kind, 'somebody else')),
  reason,
  fc.nat(700_000),
  fc.integer({ min: -5000, max: 5000 }),
)

function cutoffOf([key, why, later, reach]: readonly [string, string, number, number]): CutoffRecord {
  const [kind = '', ...rest] = key.split(':')
  return {
    key,
    kind: kind as CutoffRecord['kind'],
    value: rest.join(':'),
    before: after(NOW, reach),
    reason: why,
    createdBy: 'local:0',
    createdAt: after(NOW, later),
  }
}

describe('the standing of a certificate', () => {
  it('O2 is good if and only if it is issued and nothing reaches it, whatever is cut off', () => {
    const states = fc.constantFrom('intent', 'issued', 'revoked', 'abandoned')
    fc.assert(
      fc.property(states, fc.array(reached), fc.array(foreign), (state, own, others) => {
        const cutoffs = [...own, ...others].map(cutoffOf)
        const row = { ...certificate, state: state }
        const { status } = standingOf({ ...facts, certificate: row, cutoffs })
        const isReached = own.some(([, , , reach]) => reach > 0)
        const isDead = state === 'revoked' || state === 'abandoned'
        expect(status.kind === 'good').toBe(state === 'issued' && !isReached)
        expect(status.kind === 'revoked').toBe(isReached || isDead)
      }),
    )
  })

  it('O9 R10 was revoked at a whole second that is not in the future, for a reason that RFC 5280 has', () => {
    fc.assert(
      fc.property(fc.array(reached, { minLength: 1 }), (own) => {
        const { status } = standingOf({ ...facts, cutoffs: own.map(cutoffOf) })
        if (status.kind !== 'revoked') return
        expect(status.at % SECOND).toBe(0)
        expect(status.at).toBeLessThanOrEqual(facts.readAt)
        expect(Object.keys(REVOCATION_REASONS)).toContain(status.reason)
        const hasLeaked = own.some(([, why, , reach]) => why === 'key_compromise' && reach > 0)
        expect(status.reason === 'keyCompromise').toBe(hasLeaked)
      }),
    )
  })

  it('is unknown where a part of it cannot be found, or is of another', () => {
    const PARTS: readonly Partial<StandingFacts>[] = [
      { certificate: null },
      { instance: null },
      { instance: { ...instance, id: 'i-0000000000000002' } },
      { authority: 'aut_2' },
      { serial: '02'.repeat(18) },
    ]
    for (const part of PARTS) expect(standingOf({ ...facts, ...part }).status).toEqual({ kind: 'unknown' })
  })
})

describe('the reasons of RFC 5280', () => {
  it.each([
    ['key_compromise', 'keyCompromise'],
    ['ca_compromise', 'cACompromise'],
    ['affiliation_changed', 'affiliationChanged'],
    ['superseded', 'superseded'],
    ['cessation_of_operation', 'cessationOfOperation'],
    ['privilege_withdrawn', 'privilegeWithdrawn'],
    ['unspecified', 'unspecified'],
    ['constructor', 'unspecified'],
    ['', 'unspecified'],
  ])('have %s as %s', (word, said) => {
    expect(crlReasonOf(word)).toBe(said)
  })
})
