import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { prepareX509Svid, sign } from '#issuance/index.ts'
import { record } from '#audit/index.ts'
import { after, DAY, instant, MINUTE, SECOND } from '#kernel/instant.ts'
import { issuedLeafFindings, verifyX509Svid } from '#x509/index.ts'
import { FakeRandom } from '../fakes/random.ts'
import { newTrustDomain, svidOrder, type TestTrustDomain } from '../support/trust-domain.ts'
import { newKeyPair } from '../support/x509.ts'

const label = fc.stringMatching(/^[a-z0-9](?:[a-z0-9-]{0,10}[a-z0-9])?$/)
const dnsName = fc.tuple(label, label).map(([left, right]) => `${left}.${right}x`)
const KEYS = [newKeyPair('ES256'), newKeyPair('ES384'), newKeyPair('RS256')] as const

const order = fc.record({
  key: fc.constantFrom(...KEYS),
  instance: fc.stringMatching(/^[0-9a-hjkmnp-tv-z]{16}$/),
  dnsNames: fc.uniqueArray(dnsName, { maxLength: 16 }),
  seconds: fc.integer({ min: 300, max: 86_400 }),
  milliseconds: fc.integer({ min: 0, max: 29 * DAY - 60 * MINUTE }),
  keyClass: fc.constantFrom('software' as const, 'tpm' as const),
  attestor: fc.stringMatching(/^[a-z_]{1,64}$/),
  seed: fc.string(),
})

describe('whatever is ordered', () => {
  let domain: TestTrustDomain
  beforeAll(async () => {
    domain = await newTrustDomain()
  })

  it('becomes one encoding that every rule and every peer accepts, within the authority and the registration', async () => {
    const start = domain.clock.now()
    const set = domain.authorities.current()
    await fc.assert(
      fc.asyncProperty(order, async ({ key, instance, dnsNames, seconds, milliseconds, keyClass, attestor, seed }) => {
        const wanted = await svidOrder(domain, {
          key,
          agent: { dnsNames, x509Lifetime: seconds * SECOND },
          instance: { id: `i-${instance}`, keyClass, attestor },
        })
        const issuedAt = after(start, milliseconds)
        const prepare = () =>
          prepareX509Svid(wanted, {
            issuance: domain.ports.profile,
            signer: set.active('x509'),
            issuedAt,
            random: new FakeRandom(seed),
            isOwnKey: (hash) => set.isOwnKey(hash),
          })
        const made = prepare()
        expect(prepare().record).toEqual(made.record)
        const leaf = {
          type: 'certificate.intent',
          actor: 'system',
          object: made.prepared.object,
          decision: 'permit',
        } as const
        const receipt = await record(domain.store, {
          lock: 'none',
          guards: [],
          changes: [],
          leaf: { ...leaf, inputDigest: null, policy: null, commitments: made.prepared.commitments },
          events: [],
        } as const)
        const { certificate } = await sign(made.prepared, receipt)
        expect(issuedLeafFindings(certificate)).toEqual([])
        verifyX509Svid([certificate.der], () => set.anchors(), { at: issuedAt, purpose: 'serverAuth' })
        expect(certificate.notAfter).toBeLessThanOrEqual(
          Math.min(issuedAt + seconds * SECOND, set.active('x509').notAfter),
        )
        expect(certificate.notBefore).toBeGreaterThanOrEqual(instant(issuedAt - 61 * SECOND))
        expect(issuedAt - certificate.notBefore).toBeLessThanOrEqual(seconds * 100 + SECOND)
      }),
      { numRuns: 60 },
    )
  })
})
