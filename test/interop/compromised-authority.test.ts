import { afterAll, describe, expect, it } from 'vitest'
import { prepareAuthority } from '#flows/prepare-authority.ts'
import { rotateAuthorities } from '#flows/rotate-authorities.ts'
import { taintAuthority } from '#flows/rotation/taint-authority.ts'
import type { Bytes } from '#kernel/bytes.ts'
import { issueX509Svid } from '#flows/issue-x509-svid.ts'
import { takeStep } from '#flows/transition-authority.ts'
import { byState } from '../support/authority-steps.ts'
import { newDomain, type Mode } from '../support/issued.ts'
import { svidOrder, type TestTrustDomain } from '../support/trust-domain.ts'
import { requireProgram, succeeds, Workbench } from '../support/workbench.ts'

const PYTHON = '/usr/bin/python3'
const bench = new Workbench()
afterAll(() => {
  bench.remove()
})

/** Whether some certificate leads from the leaf to an anchor; exit code 0 for yes. */
const SCRIPT = `
import sys
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec

def load(name):
    parts = open(name, 'rb').read().split(b'-----END CERTIFICATE-----')
    return [x509.load_pem_x509_certificate(part + b'-----END CERTIFICATE-----') for part in parts[:-1]]

def signed(one, issuer):
    if one.issuer != issuer.subject: return False
    try:
        issuer.public_key().verify(one.signature, one.tbs_certificate_bytes, ec.ECDSA(one.signature_hash_algorithm))
        return True
    except InvalidSignature:
        return False

def leads(one, between, anchors):
    return any(signed(one, anchor) for anchor in anchors) or any(
        signed(one, issuer) and leads(issuer, [other for other in between if other is not issuer], anchors) for issuer in between)

leaf, *sent = load(sys.argv[1])
sys.exit(0 if leads(leaf, sent, load(sys.argv[2])) else 1)
`

interface Sent {
  readonly chain: readonly Bytes[]
  readonly anchors: readonly Bytes[]
}

/** Stock verifiers: a file of anchors, a chain, and no CRL of anybody. */
const VERIFIERS: Readonly<Record<string, (sent: Sent) => boolean>> = {
  OpenSSL: ({ chain: [leaf, ...rest], anchors }) => {
    requireProgram('openssl', 'openssl', 'version')
    const trusted = bench.writeCertificates('anchors.pem', ...anchors)
    const between = bench.writeCertificates('between.pem', ...rest)
    const presented = bench.writeCertificates('leaf.pem', ...(leaf === undefined ? [] : [leaf]))
    const untrusted = rest.length === 0 ? [] : ['-untrusted', between]
    return succeeds('openssl', 'verify', '-no-CApath', '-no-CAstore', '-CAfile', trusted, ...untrusted, presented)
  },
  GnuTLS: ({ chain, anchors }) => {
    requireProgram('gnutls-bin', 'certtool', '--version')
    const trusted = bench.writeCertificates('anchors.pem', ...anchors)
    const sent = bench.writeCertificates('sent.pem', ...chain)
    const flags = ['--verify', '--verify-profile=medium', '--load-ca-certificate', trusted, '--infile', sent]
    return succeeds('certtool', ...flags)
  },
  'python-cryptography': ({ chain, anchors }) => {
    requireProgram('python3-cryptography', PYTHON, '-c', 'import cryptography')
    const trusted = bench.writeCertificates('anchors.pem', ...anchors)
    const sent = bench.writeCertificates('sent.pem', ...chain)
    return succeeds(PYTHON, bench.write('verify.py', SCRIPT), sent, trusted)
  },
}

const bundleOf = (domain: TestTrustDomain) => domain.authorities.current().bundle().x509Authorities

async function issue(domain: TestTrustDomain, id: string): Promise<readonly Bytes[]> {
  const { certificate, chain } = await issueX509Svid(domain.ports, await svidOrder(domain, { instance: { id } }))
  return [certificate, ...chain]
}

/** Self-rooted: the issuing authority is in the bundle. Rooted: its root is, and goes with it. */
const CASES: readonly (readonly [Mode, 'x509' | 'x509-root'])[] = [
  ['self-rooted', 'x509'],
  ['rooted under a generated root', 'x509-root'],
]

describe.each(CASES)('a compromised authority, %s', (mode, kind) => {
  it.each(Object.entries(VERIFIERS))(
    'is refused by %s once it has fetched the bundle, with no CRL, and its successor is accepted',
    async (_name, accepts) => {
      const domain = await newDomain(mode)
      const before = await issue(domain, 'i-before')
      expect(accepts({ chain: before, anchors: bundleOf(domain) })).toBe(true)
      const { id } = byState(domain, kind, 'active')
      await taintAuthority(domain.ports, { actor: 'local:0', id, step: 'taint', compromised: true, reason: 'stolen' })
      const after = await issue(domain, 'i-after')
      const anchors = bundleOf(domain)
      expect(accepts({ chain: before, anchors })).toBe(false)
      expect(accepts({ chain: after, anchors })).toBe(true)
    },
  )
})

describe('a client that knows only the old root', () => {
  it.each(Object.entries(VERIFIERS))(
    'promise 8 is not lost while roots rotate, as %s sees it',
    async (_name, accepts) => {
      const domain = await newDomain('rooted under a generated root')
      const old = bundleOf(domain)
      await rotateRoot(domain)
      const chain = await issue(domain, 'i-after')
      expect(chain).toHaveLength(3)
      expect(accepts({ chain, anchors: old })).toBe(true)
      expect(accepts({ chain, anchors: bundleOf(domain) })).toBe(true)
      // It is the certificate of the new root by the old one that does it.
      expect(accepts({ chain: chain.slice(0, 2), anchors: old })).toBe(false)
    },
  )
})

/** At once: other programs judge by the machine's clock, which waits for no gate. */
async function rotateRoot(domain: TestTrustDomain): Promise<void> {
  const urgent = { actor: 'local:0', urgent: true, reason: 'test' } as const
  const root = await prepareAuthority(domain.ports, { actor: 'local:0', kind: 'x509-root' })
  await takeStep(domain.ports, { ...urgent, id: root.id, step: 'publish' })
  await takeStep(domain.ports, { ...urgent, id: root.id, step: 'activate' })
  await rotateAuthorities(domain.ports)
  const { id } = byState(domain, 'x509', 'published')
  await takeStep(domain.ports, { ...urgent, id, step: 'activate' })
}
