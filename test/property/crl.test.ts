import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { toHex } from '#kernel/bytes.ts'
import { isWritError } from '#kernel/errors.ts'
import { after, DAY, instant, type Instant } from '#kernel/instant.ts'
import {
  assembleCrl,
  CrlEntry,
  encodeTbsCrl,
  parseCrl,
  REVOCATION_REASONS,
  type CrlTemplate,
  type RevocationReason,
} from '#x509/index.ts'
import { signWith, TestAuthority, X509_NOW } from '../support/x509.ts'

const root = TestAuthority.root()

const serial = fc
  .uint8Array({ minLength: 1, maxLength: 19 })
  .map((octets) => new Uint8Array([((octets[0] ?? 0) & 0x7f) | 0x01, ...octets.subarray(1)]))
const second = fc.integer({ min: 0, max: X509_NOW / 1000 }).map((seconds): Instant => instant(seconds * 1000))
const reason = fc.constantFrom(...(Object.keys(REVOCATION_REASONS) as RevocationReason[]))
const entries = fc.uniqueArray(fc.record({ serial, revokedAt: second, reason }), {
  maxLength: 40,
  selector: (entry) => toHex(entry.serial),
})
const scope = fc.oneof(
  fc.constant(undefined),
  fc.record({
    distributionPoint: fc.webUrl().map((url) => encodeURI(url)),
    only: fc.constantFrom('userCertificates' as const, 'authorityCertificates' as const, undefined),
  }),
)
const number = fc.bigInt({ min: 0n, max: 2n ** 159n - 1n })

function templateOf(fields: Pick<CrlTemplate, 'entries' | 'number' | 'scope'>): CrlTemplate {
  return {
    signatureAlgorithm: 'ES256',
    issuer: root.certificate.subject,
    thisUpdate: X509_NOW,
    nextUpdate: after(X509_NOW, DAY),
    authorityKeyIdentifier: root.certificate.publicKey.keyIdentifier,
    ...fields,
  }
}

function outcome(der: Uint8Array): string {
  try {
    parseCrl(der)
    return 'read'
  } catch (error) {
    return isWritError(error) ? 'refused' : 'odd'
  }
}

describe('CRLs', () => {
  it('read back to what was written, entry by entry', () => {
    fc.assert(
      fc.property(entries, scope, number, (revoked, itsScope, itsNumber) => {
        const template = templateOf({
          entries: revoked.map((item) => CrlEntry.of(item)),
          scope: itsScope,
          number: itsNumber,
        })
        const crl = parseCrl(assembleCrl(encodeTbsCrl(template), 'ES256', new Uint8Array(8)))
        expect(crl.entries.length).toBe(revoked.length)
        for (const entry of revoked) {
          expect(crl.find(entry.serial)).toEqual(entry)
        }
        expect(crl.scope).toEqual(itsScope)
        expect(crl.number).toBe(itsNumber)
        // What was read writes back to the same bytes.
        const again = templateOf({
          entries: crl.entries.map((item) => CrlEntry.of(item)),
          scope: crl.scope,
          number: crl.number,
        })
        expect(encodeTbsCrl(again)).toEqual(crl.tbs)
      }),
    )
  })

  it('are read or refused by a code, whatever became of their bytes', () => {
    const tbs = encodeTbsCrl(
      templateOf({
        entries: [1, 2, 3].map((octet) =>
          CrlEntry.of({ serial: new Uint8Array([octet]), revokedAt: X509_NOW, reason: 'superseded' }),
        ),
        number: 7n,
        scope: { distributionPoint: 'http://a.example/0.crl', only: undefined },
      }),
    )
    const der = assembleCrl(tbs, 'ES256', signWith(root.key, tbs))
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(der.length - 1), fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 6 }),
        fc.nat(der.length),
        (changes, length) => {
          const mutated = der.slice()
          for (const [index, octet] of changes) mutated[index] = octet
          expect(outcome(mutated)).not.toBe('odd')
          expect(outcome(mutated.subarray(0, length))).not.toBe('odd')
        },
      ),
      { numRuns: 5000 },
    )
  })
})
