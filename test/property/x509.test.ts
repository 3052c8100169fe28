import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Bytes } from '#kernel/bytes.ts'
import { isWritError } from '#kernel/errors.ts'
import { instant, SECOND } from '#kernel/instant.ts'
import { SpiffeId } from '#spiffe/index.ts'
import {
  createCsr,
  encodeName,
  encodeTbs,
  KEY_USAGES,
  parseCertificate,
  parseCsr,
  parsePublicKey,
  X509_ERRORS,
  type Extension,
  type TbsTemplate,
} from '#x509/index.ts'
import { decodeOid, encodeOid } from '#x509/der/oid.ts'
import { DerReader } from '#x509/der/reader.ts'
import { checkWellFormed } from '#x509/der/well-formed.ts'
import { elementsOf, tlv } from '../support/der.ts'
import { certify, LEAF_ID, LEAF_KEY, newKeyPair, TestAuthority } from '../support/x509.ts'

const root = TestAuthority.root()
const rsa = newKeyPair('RS256')
const csr = await createCsr(LEAF_KEY.signer, SpiffeId.parse(LEAF_ID))
const rsaCsr = await createCsr(rsa.signer)

/** Runs a parser over hostile input: it returns or throws one of ours, and nothing else. */
function staysInside(parse: () => unknown): void {
  try {
    parse()
  } catch (error) {
    if (!isWritError(error) || !Object.hasOwn(X509_ERRORS, error.code)) throw error
  }
}

/** One to four changes: octets replaced, removed, inserted or doubled, the input cut. */
const mutation = fc.oneof(
  fc.record({ kind: fc.constant('set' as const), at: fc.nat(), octet: fc.integer({ min: 0, max: 255 }) }),
  fc.record({ kind: fc.constant('flip' as const), at: fc.nat(), octet: fc.integer({ min: 0, max: 7 }) }),
  fc.record({ kind: fc.constant('insert' as const), at: fc.nat(), octet: fc.integer({ min: 0, max: 255 }) }),
  fc.record({ kind: fc.constant('remove' as const), at: fc.nat(), octet: fc.integer({ min: 1, max: 16 }) }),
  fc.record({ kind: fc.constant('repeat' as const), at: fc.nat(), octet: fc.integer({ min: 1, max: 64 }) }),
  fc.record({ kind: fc.constant('cut' as const), at: fc.nat(), octet: fc.constant(0) }),
)
type Mutation = typeof mutation extends fc.Arbitrary<infer Value> ? Value : never

function mutate(input: Bytes, changes: readonly Mutation[]): Bytes {
  const octets = [...input]
  for (const { kind, at, octet } of changes) {
    const index = octets.length === 0 ? 0 : at % octets.length
    if (kind === 'set') octets[index] = octet
    else if (kind === 'flip') octets[index] = (octets[index] ?? 0) ^ (1 << octet)
    else if (kind === 'insert') octets.splice(index, 0, octet)
    else if (kind === 'remove') octets.splice(index, octet)
    else if (kind === 'repeat') octets.splice(index, 0, ...octets.slice(index, index + octet))
    else octets.length = index
  }
  return new Uint8Array(octets)
}

/** Replaces an element somewhere in the tree by other contents, with lengths that fit: faults deep inside. */
function graft(input: Bytes, path: readonly number[], contents: Bytes): Bytes {
  const [choice = 0, ...deeper] = path
  let elements
  try {
    elements = elementsOf(input)
  } catch {
    return contents
  }
  if (elements.length === 0) return contents
  const index = choice % elements.length
  const parts = elements.map((element, position) => {
    if (position !== index) return element.whole
    return tlv(element.tag, deeper.length === 0 ? contents : graft(element.contents, deeper, contents))
  })
  return new Uint8Array(Buffer.concat(parts))
}

const seeds = [root.certificate.der, root.leafDer()] as const
const changes = fc.array(mutation, { minLength: 1, maxLength: 4 })
const paths = fc.array(fc.nat({ max: 12 }), { minLength: 1, maxLength: 9 })

describe('parsers', () => {
  it('throw only typed errors on 20000 mutated certificates', () => {
    fc.assert(
      fc.property(fc.constantFrom(...seeds), changes, (seed, list) => {
        staysInside(() => parseCertificate(mutate(seed, list)))
      }),
      { numRuns: 20_000 },
    )
  })

  it('throw only typed errors on certificates with anything at any place', () => {
    fc.assert(
      fc.property(fc.constantFrom(...seeds), paths, fc.uint8Array({ maxLength: 40 }), (seed, path, contents) => {
        staysInside(() => parseCertificate(graft(seed, path, contents)))
      }),
      { numRuns: 10_000 },
    )
  })

  it('throw only typed errors on mutated requests', () => {
    fc.assert(
      fc.property(fc.constantFrom(csr, rsaCsr), changes, (seed, list) => {
        staysInside(() => parseCsr(mutate(seed, list)))
      }),
      { numRuns: 5_000 },
    )
  })

  it('never take a changed request for the one that was signed', () => {
    fc.assert(
      fc.property(fc.nat({ max: csr.length - 1 }), fc.integer({ min: 1, max: 255 }), (at, difference) => {
        const changed = csr.with(at, (csr[at] ?? 0) ^ difference)
        expect(() => parseCsr(changed)).toThrow()
      }),
      { numRuns: 2_000 },
    )
  })

  it('throw only typed errors on mutated keys and on noise', () => {
    fc.assert(
      fc.property(fc.constantFrom(LEAF_KEY.publicKey.spki, rsa.publicKey.spki), changes, (seed, list) => {
        staysInside(() => parsePublicKey(mutate(seed, list)))
      }),
      { numRuns: 3_000 },
    )
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (noise) => {
        staysInside(() => parseCertificate(noise))
        staysInside(() => parseCsr(noise))
        staysInside(() => {
          checkWellFormed(noise)
        })
      }),
      { numRuns: 5_000 },
    )
  })
})

const octets = (min: number, max: number) =>
  fc.uint8Array({ minLength: min, maxLength: max }).map((value) => new Uint8Array(value))
const host = fc.stringMatching(/^[a-z][a-z0-9-]{0,10}(\.[a-z][a-z0-9]{0,5}){0,2}$/)
const oid = fc.array(fc.nat(), { minLength: 1, maxLength: 6 }).map((arcs) => ['1.3.6.1.4.1', ...arcs].join('.'))
const names = fc.array(
  fc.oneof(
    host.map((value) => ({ type: 'uri' as const, value: `spiffe://${value}/a` })),
    host.map((value) => ({ type: 'dns' as const, value })),
    host.map((value) => ({ type: 'email' as const, value: `a@${value}` })),
    fc.oneof(octets(4, 4), octets(16, 16)).map((value) => ({ type: 'ip' as const, value })),
    host.map((commonName) => ({ type: 'directory' as const, value: encodeName({ commonName }) })),
  ),
  { minLength: 1, maxLength: 5 },
)

const extensions: fc.Arbitrary<readonly Extension[]> = fc
  .record({
    keyUsage: fc.record({
      kind: fc.constant('keyUsage' as const),
      critical: fc.boolean(),
      usages: fc.subarray([...KEY_USAGES], { minLength: 1 }),
    }),
    extKeyUsage: fc.record({
      kind: fc.constant('extKeyUsage' as const),
      critical: fc.boolean(),
      purposes: fc.array(oid, { minLength: 1, maxLength: 4 }),
    }),
    basicConstraints: fc.constantFrom(
      { kind: 'basicConstraints' as const, critical: true, ca: false, pathLength: undefined },
      { kind: 'basicConstraints' as const, critical: true, ca: true, pathLength: undefined },
      { kind: 'basicConstraints' as const, critical: true, ca: true, pathLength: 200 },
    ),
    subjectAltName: fc.record({ kind: fc.constant('subjectAltName' as const), critical: fc.constant(true), names }),
    subjectKey: fc.record({
      kind: fc.constant('subjectKeyIdentifier' as const),
      critical: fc.boolean(),
      keyIdentifier: octets(1, 40),
    }),
    authorityKey: fc.record({
      kind: fc.constant('authorityKeyIdentifier' as const),
      critical: fc.boolean(),
      keyIdentifier: fc.option(octets(1, 40), { nil: undefined }),
      issuerAndSerial: fc.constant(undefined),
    }),
    crl: fc.record({
      kind: fc.constant('crlDistributionPoints' as const),
      critical: fc.boolean(),
      uris: fc.array(
        host.map((value) => `http://${value}/a.crl`),
        { minLength: 1, maxLength: 3 },
      ),
    }),
    attestation: fc
      .record({
        kind: fc.constant('writAttestation' as const),
        critical: fc.boolean(),
        oid: fc.constant('1.3.6.1.4.1.32473.7483.1'),
        issuedAt: fc.integer({ min: 0, max: 253_402_300_799_000 }).map(instant),
        keyClass: fc.constantFrom('software' as const, 'hsm' as const, 'tpm' as const),
        keyClassSource: fc.constantFrom('attested' as const, 'declared' as const),
        attestor: host,
        evidenceDigest: octets(32, 32),
      })
      .chain((said) => fc.constantFrom(said, { ...said, instance: 'i-0123456789abcdef' })),
    other: fc.record({ kind: fc.constant('other' as const), critical: fc.boolean(), oid, value: octets(0, 300) }),
  })
  .map((all) => Object.values(all) as Extension[])
  .chain((list) => fc.shuffledSubarray(list))

const templates: fc.Arbitrary<TbsTemplate> = fc.record({
  serial: octets(1, 20).map((value) => value.with(0, (value[0]! & 0x7f) | 1)),
  signatureAlgorithm: fc.constant('ES256' as const),
  issuer: host.map((commonName) => encodeName({ commonName })),
  subject: host.map((commonName) => encodeName({ commonName })),
  notBefore: fc.integer({ min: 0, max: 4_000_000_000 }).map((seconds) => instant(seconds * SECOND)),
  notAfter: fc.integer({ min: 4_000_000_000, max: 250_000_000_000 }).map((seconds) => instant(seconds * SECOND)),
  subjectPublicKey: fc.constantFrom(LEAF_KEY.publicKey.spki, rsa.publicKey.spki),
  extensions,
})

describe('what is written', () => {
  it('is read back to the same values and writes back to the same bytes', () => {
    fc.assert(
      fc.property(templates, (template) => {
        const certificate = parseCertificate(certify(template, root.key))
        expect(certificate.extensions).toEqual(template.extensions)
        expect(certificate.notBefore).toBe(template.notBefore)
        expect(certificate.notAfter).toBe(template.notAfter)
        const again = encodeTbs({
          serial: certificate.serial,
          signatureAlgorithm: 'ES256',
          issuer: certificate.issuer,
          notBefore: certificate.notBefore,
          notAfter: certificate.notAfter,
          subject: certificate.subject,
          subjectPublicKey: certificate.publicKey.spki,
          extensions: certificate.extensions,
        })
        expect(again).toEqual(certificate.tbs)
      }),
      { numRuns: 500 },
    )
  })

  it('that parses at all was DER: what is read writes back, mutated or not', () => {
    let read = 0
    fc.assert(
      fc.property(fc.constantFrom(...seeds), changes, (seed, list) => {
        let certificate
        try {
          certificate = parseCertificate(mutate(seed, list))
        } catch {
          return
        }
        if (certificate.signatureAlgorithm.name !== 'ES256') return
        read++
        const { serial, issuer, subject, notBefore, notAfter, publicKey, extensions: list2 } = certificate
        const template = {
          serial,
          issuer,
          subject,
          notBefore,
          notAfter,
          subjectPublicKey: publicKey.spki,
          extensions: list2,
        }
        try {
          expect(encodeTbs({ ...template, signatureAlgorithm: 'ES256' })).toEqual(certificate.tbs)
        } catch (error) {
          // The writer is stricter than the reader: it makes no path length without cA, for one.
          if (!isWritError(error, 'TEMPLATE_INVALID')) throw error
        }
      }),
      { numRuns: 10_000 },
    )
    expect(read).toBeGreaterThan(100)
  })

  it('of object identifiers is read back', () => {
    fc.assert(
      fc.property(fc.array(fc.bigInt({ min: 0n, max: 2n ** 100n }), { minLength: 1, maxLength: 3 }), (arcs) => {
        const text = ['2', ...arcs].join('.')
        expect(decodeOid(encodeOid(text))).toBe(text)
      }),
    )
  })
})

describe('time and key bounds', () => {
  it('hold for every input: one parse of 16 KiB of structure takes less than 50 ms', () => {
    const shapes = [
      () => new Uint8Array(16 * 1024).fill(0x30),
      () =>
        tlv(
          0x30,
          new Uint8Array(16_000).fill(0x05).map((_, index) => (index % 2 === 0 ? 0x05 : 0x00)),
        ),
      () => tlv(0x30, tlv(0x06, new Uint8Array(16_000).fill(0xff))),
      () => tlv(0x30, tlv(0x02, new Uint8Array(16_000).fill(0x7f))),
    ]
    for (const shape of shapes) {
      const input = shape()
      const start = performance.now()
      staysInside(() => parseCertificate(input))
      staysInside(() => parseCsr(input))
      staysInside(() => DerReader.of(input).element())
      expect(performance.now() - start).toBeLessThan(50)
    }
  })
})
