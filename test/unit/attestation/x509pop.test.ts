import { describe, expect, it, vi } from 'vitest'
import { x509popAttestor } from '#attestation/index.ts'
import { toBase64, toHex, type Bytes } from '#kernel/bytes.ts'
import { SECOND, type Instant } from '#kernel/instant.ts'
import type { JsonObject } from '#kernel/json.ts'
import { encodeName, parseCertificate, PublicKey } from '#x509/index.ts'
import { FakeRandom } from '../../fakes/random.ts'
import { codeOfAsync } from '../../support/code-of.ts'
import { TRUST_DOMAIN } from '../../support/trust-domain.ts'
import { bitsElement, oidElement, sequence, tlv, unsignedElement } from '../../support/der.ts'
import { basicConstraints, keyUsage, newKeyPair, X509_NOW } from '../../support/x509.ts'
import { chainOf, deviceAuthority, deviceLeaf, signedAnswer, span } from '../../support/x509pop.ts'

const NOW = X509_NOW
const root = deviceAuthority(NOW)
const issuing = root.authority('Device issuing', { template: span(NOW) })
const LEAF = deviceLeaf(root, NOW)
const CSR = new Uint8Array([1, 2, 3])
const SESSION = 'S'.repeat(43)

function attestor(...names: readonly string[]) {
  const providers = (names.length === 0 ? ['devices'] : names).map((name) => ({ name, roots: [root.certificate] }))
  return x509popAttestor({ trustDomain: TRUST_DOMAIN, providers })
}

function context(now: Instant = NOW, provider?: string) {
  const csrDigest = '039058c6f2c0cb492c533b0a4d14ef77cc0f78abccced5287d84a1a2011cfb81'
  return {
    csrDigest,
    publicKey: new Uint8Array(0),
    address: '192.0.2.1',
    now,
    random: new FakeRandom(),
    session: SESSION,
    provider,
  }
}

const begin = (evidence: JsonObject, now?: Instant) => codeOfAsync(() => attestor().begin(evidence, context(now)))

async function attest(chain: readonly Bytes[], key?: ReturnType<typeof newKeyPair>) {
  const step = await attestor().begin(chainOf(...chain), context())
  if (step.kind !== 'challenge') throw new TypeError('expected a challenge')
  const { challenge, context: kept } = step.challenge
  const answer = signedAnswer({ session: SESSION, nonce: challenge.nonce, csr: CSR }, key)
  const proof = await attestor().finish?.(answer, kept, context())
  if (proof === undefined) throw new TypeError('expected an answer')
  return proof
}

describe('the x509pop attestor', () => {
  it('proves names and fingerprints of the certificate and of its authorities', async () => {
    const leaf = deviceLeaf(issuing, NOW)
    const fingerprint = (der: Bytes) => toHex(parseCertificate(der).fingerprint)
    const proof = await attest([leaf, issuing.certificate.der])
    expect(proof.selectors).toEqual([
      'x509pop:devices:subject:cn:sensor%207',
      'x509pop:devices:san:uri:urn:device:7',
      'x509pop:devices:san:dns:sensor-7.example.org',
      `x509pop:devices:fingerprint:${fingerprint(leaf)}`,
      `x509pop:devices:ca:fingerprint:${fingerprint(issuing.certificate.der)}`,
      `x509pop:devices:ca:fingerprint:${fingerprint(root.certificate.der)}`,
    ])
    expect(proof).toMatchObject({ attestor: 'x509pop', keyClass: 'software', namedAgent: null, consumption: null })
  })

  it.each(['ES384', 'RS256'] as const)('takes an answer signed with %s', async (algorithm) => {
    const key = newKeyPair(algorithm)
    expect((await attest([deviceLeaf(root, NOW, {}, key)], key)).attestor).toBe('x509pop')
  })

  it('writes a name with a percent sign so that it is not another name', async () => {
    const named = (commonName: string) => deviceLeaf(root, NOW, { template: { subject: encodeName({ commonName }) } })
    const first = await attest([named('a%20b')])
    const second = await attest([named('a b')])
    expect(first.selectors[0]).toBe('x509pop:devices:subject:cn:a%2520b')
    expect(second.selectors[0]).toBe('x509pop:devices:subject:cn:a%20b')
  })

  it('needs the name of the provider where there are several', async () => {
    const two = attestor('devices', 'laptops')
    expect(await codeOfAsync(() => two.begin(chainOf(LEAF), context()))).toBe('PROVIDER_UNKNOWN')
    expect(await codeOfAsync(() => two.begin(chainOf(LEAF), context(NOW, 'laptops')))).toBe('ACCEPTED')
    expect(await codeOfAsync(() => two.begin(chainOf(LEAF), context(NOW, 'phones')))).toBe('PROVIDER_UNKNOWN')
  })

  it('looks at the chain again when the answer comes', async () => {
    const step = await attestor().begin(chainOf(LEAF), context())
    if (step.kind !== 'challenge') throw new TypeError('expected a challenge')
    const answer = signedAnswer({ session: SESSION, nonce: step.challenge.challenge.nonce, csr: CSR })
    const late = context((span(NOW).notAfter + SECOND) as Instant)
    const finish = async () => attestor().finish?.(answer, step.challenge.context, late)
    expect(await codeOfAsync(finish)).toBe('X509POP_CERTIFICATE_EXPIRED')
  })
})

describe('evidence of x509pop is refused', () => {
  it('from a foreign root, even one of the same name', async () => {
    const foreign = deviceAuthority(NOW)
    expect(await begin(chainOf(deviceLeaf(foreign, NOW), foreign.certificate.der))).toBe('X509POP_CHAIN_UNTRUSTED')
  })

  it('when it has expired, or is not valid yet', async () => {
    const { notBefore, notAfter } = span(NOW)
    expect(await begin(chainOf(LEAF), (notAfter + SECOND) as Instant)).toBe('X509POP_CERTIFICATE_EXPIRED')
    expect(await begin(chainOf(LEAF), (notBefore - SECOND) as Instant)).toBe('X509POP_CHAIN_UNTRUSTED')
  })

  it('with the certificate of an authority as its leaf', async () => {
    expect(await begin(chainOf(issuing.certificate.der))).toBe('X509POP_LEAF_IS_AUTHORITY')
    expect(await begin(chainOf(root.certificate.der))).toBe('X509POP_LEAF_IS_AUTHORITY')
    const signs = deviceLeaf(root, NOW, {
      extensions: [keyUsage('digitalSignature', 'keyCertSign'), basicConstraints(true)],
    })
    expect(await begin(chainOf(signs))).toBe('X509POP_LEAF_IS_AUTHORITY')
  })

  it('with a leaf that may not sign', async () => {
    const sealing = deviceLeaf(root, NOW, { extensions: [keyUsage('keyAgreement')] })
    expect(await begin(chainOf(sealing))).toBe('X509POP_LEAF_CANNOT_SIGN')
  })

  it('with any other members', async () => {
    const chain = [toBase64(LEAF)]
    for (const evidence of [
      {},
      { chain: [] },
      { chain: 'x' },
      { chain: [1] },
      { chain, nonce: '' },
      { chain: ['#'] },
    ]) {
      expect(await begin(evidence)).toBe('EVIDENCE_INVALID')
    }
  })
})

describe('before any signature is verified, evidence is refused', () => {
  const padded = (bytes: number) =>
    deviceLeaf(root, NOW, {
      extensions: [{ kind: 'other', critical: false, oid: '1.3.6.1.4.1.32473.1', value: new Uint8Array(bytes) }],
    })
  const many = Array.from({ length: 30 }, (_, index) => ({
    kind: 'other' as const,
    critical: false,
    oid: `1.3.6.1.4.1.32473.${String(index + 1)}`,
    value: new Uint8Array([5, 0]),
  }))

  it.each<[string, () => readonly Bytes[], string]>([
    ['of twenty certificates', () => Array.from({ length: 20 }, () => LEAF), 'X509POP_CHAIN_TOO_LONG'],
    ['with an RSA key of 16384 bits', () => [withRsaOf(16_384)], 'KEY_RSA_TOO_LARGE'],
    ['with an extension of 40 KB', () => [padded(40_000)], 'X509POP_CERTIFICATE_TOO_LARGE'],
    [
      'with thirty extensions more',
      () => [deviceLeaf(root, NOW, { extensions: many })],
      'CERTIFICATE_TOO_MANY_EXTENSIONS',
    ],
    ['with a huge intermediate', () => [LEAF, padded(40_000)], 'X509POP_CERTIFICATE_TOO_LARGE'],
  ])('%s', async (_what, chain, code) => {
    const evidence = chainOf(...chain())
    const verify = vi.spyOn(PublicKey.prototype, 'verify')
    const imported = vi.spyOn(PublicKey.prototype, 'keyObject', 'get')
    try {
      expect(await begin(evidence)).toBe(code)
      expect(verify).not.toHaveBeenCalled()
      expect(imported).not.toHaveBeenCalled()
      // The same spies see what good evidence costs.
      expect(await begin(chainOf(LEAF))).toBe('ACCEPTED')
      expect(verify).toHaveBeenCalled()
    } finally {
      vi.restoreAllMocks()
    }
  })
})

/** A leaf whose RSA key is `bits` long; nobody needs its private half to be refused. */
function withRsaOf(bits: number): Bytes {
  const modulus = new Uint8Array(bits / 8).fill(0xff)
  const algorithm = sequence(oidElement('1.2.840.113549.1.1.1'), tlv(0x05))
  const numbers = sequence(unsignedElement(modulus), unsignedElement(new Uint8Array([1, 0, 1])))
  const subjectPublicKey = sequence(algorithm, bitsElement(numbers))
  return deviceLeaf(root, NOW, { template: { subjectPublicKey } })
}
