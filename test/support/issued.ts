import type { CurrentAuthorities } from '#authority/index.ts'
import { initializeAuthorities, type InitializeAuthoritiesOptions } from '#flows/initialize-authorities.ts'
import { issueServerCertificate } from '#flows/issue-server-certificate.ts'
import { issueX509Svid } from '#flows/issue-x509-svid.ts'
import { after, DAY, instant, wholeSecond } from '#kernel/instant.ts'
import type { AgentRecord } from '#registry/index.ts'
import type { IssuanceProfileFields } from '#issuance/index.ts'
import type { Bytes } from '#kernel/bytes.ts'
import { parseCertificate, type Certificate } from '#x509/index.ts'
import { emptyTrustDomain, svidOrder, type TestTrustDomain } from './trust-domain.ts'
import { newKeyPair, subjectKey, TestAuthority, type KeyPair } from './x509.ts'

/** Other programs judge by the machine's clock. */
const NOW = wholeSecond(instant(Date.now()))

const GIVEN_ROOT = 'memory:given-root'

/** A certificate as it was issued, with all that somebody else needs to verify it. */
export interface CertificateSet {
  readonly what: string
  readonly kind: 'leaf' | 'authority'
  readonly certificate: Bytes
  /** What is sent behind it, without the anchor. */
  readonly chain: readonly Bytes[]
  readonly anchors: readonly Bytes[]
  readonly spiffeId: string
  readonly dnsNames: readonly string[]
}

/** Every way in which a trust domain can come by its anchor. */
export const MODES = ['self-rooted', 'rooted under a generated root', 'rooted under a given root'] as const
export type Mode = (typeof MODES)[number]

/** A trust domain in memory whose clock shows the machine's time, in one of the modes. */
export async function newDomain(mode: Mode, profile: Partial<IssuanceProfileFields> = {}): Promise<TestTrustDomain> {
  const empty = await emptyTrustDomain(profile, NOW)
  const options = optionsOf(mode, (key) => {
    empty.keys.put(GIVEN_ROOT, key)
  })
  const authorities = await initializeAuthorities(empty.ports, { actor: 'local:0', options })
  return { ...empty, authorities, ports: { ...empty.ports, authorities } }
}

function optionsOf(mode: Mode, keep: (key: KeyPair) => void): InitializeAuthoritiesOptions {
  if (mode === 'self-rooted') return { mode: 'self-rooted' }
  if (mode === 'rooted under a generated root') return { mode: 'rooted', root: 'generate' }
  // As a company has one for years: another algorithm, a name of its own, no SPIFFE ID.
  const validity = { notBefore: instant(NOW - 365 * DAY), notAfter: after(NOW, 3650 * DAY) }
  const root = TestAuthority.root('Example Corp Root R1', { template: validity }, newKeyPair('RS256'))
  keep(root.key)
  return { mode: 'rooted', root: { certificate: root.certificate.der, keyReference: GIVEN_ROOT } }
}

const AGENTS: Readonly<Record<string, Partial<AgentRecord>>> = {
  'an SVID per instance, with DNS names': {
    name: 'a',
    dnsNames: ['a.internal', 'a.example.org'],
    identity: 'instance',
  },
  'an SVID per instance, without DNS names': { name: 'b', dnsNames: [], identity: 'instance' },
  'an SVID per agent, with DNS names': { name: 'c', dnsNames: ['c.internal'], identity: 'agent' },
  'an SVID per agent, without DNS names': { name: 'd', dnsNames: [], identity: 'agent' },
}
const KEYS = [newKeyPair('ES256'), newKeyPair('ES384'), newKeyPair('RS256'), newKeyPair('ES256')] as const

/** One of everything that the trust domain certifies, by the stories that issue it. */
export async function issueAll(domain: TestTrustDomain): Promise<readonly CertificateSet[]> {
  const svids: CertificateSet[] = []
  for (const [index, [what, agent]] of Object.entries(AGENTS).entries()) {
    svids.push(await issueSvid(domain, { what, agent, index }))
  }
  return [...svids, await issueServer(domain), ...authoritiesOf(domain.authorities)]
}

interface SvidWish {
  readonly what: string
  readonly agent: Partial<AgentRecord>
  readonly index: number
}

async function issueSvid(domain: TestTrustDomain, { what, agent, index }: SvidWish): Promise<CertificateSet> {
  const order = await svidOrder(domain, {
    agent: { ...agent, id: `agt_0000000000000000000000000${String(index)}`, path: `/agent/${agent.name ?? ''}` },
    instance: { id: `i-000000000000000${String(index)}`, lineage: `lin_0000000000000000000000000${String(index)}` },
    key: KEYS[index % KEYS.length] ?? newKeyPair(),
  })
  const { certificate, chain, spiffeId } = await issueX509Svid(domain.ports, order)
  const names = { spiffeId, dnsNames: agent.dnsNames ?? [] }
  return { what, kind: 'leaf', certificate, chain, anchors: anchorsOf(domain.authorities), ...names }
}

async function issueServer(domain: TestTrustDomain): Promise<CertificateSet> {
  const dnsNames = ['id.example.org', 'localhost']
  const { certificate, chain } = await issueServerCertificate(domain.ports, {
    publicKey: newKeyPair().publicKey,
    dnsNames,
    ipAddresses: [new Uint8Array([127, 0, 0, 1])],
  })
  const anchors = anchorsOf(domain.authorities)
  // What the server sends ends with the anchor; who verifies has that already.
  const sent = chain.slice(0, -1)
  const spiffeId = 'spiffe://example.org/writ/server'
  return { what: 'the server certificate', kind: 'leaf', certificate, chain: sent, anchors, spiffeId, dnsNames }
}

function authoritiesOf(authorities: CurrentAuthorities): readonly CertificateSet[] {
  const current = authorities.current()
  const anchors = anchorsOf(authorities)
  const own = [...current.intermediates(), ...current.anchors()].filter(hasSpiffeId)
  return own.map(({ der }, index) => ({
    what: `the authority ${String(index + 1)}`,
    kind: 'authority',
    certificate: der,
    chain: [],
    anchors,
    spiffeId: 'spiffe://example.org',
    dnsNames: [],
  }))
}

/** A root that was given is not ours to name. */
function hasSpiffeId(certificate: Certificate): boolean {
  return certificate.extension('subjectAltName') !== undefined
}

function anchorsOf(authorities: CurrentAuthorities) {
  return authorities
    .current()
    .anchors()
    .map(({ der }) => der)
}

/** An anchor that bears the name and the key identifier of ours and has another key. */
export function impostorOf(anchor: Bytes): Bytes {
  const { subject, publicKey } = parseCertificate(anchor)
  const validity = { notBefore: instant(NOW - DAY), notAfter: after(NOW, 30 * DAY) }
  const changes = { template: { ...validity, subject, issuer: subject }, extensions: [subjectKey(publicKey)] }
  return TestAuthority.root('Impostor', changes).certificate.der
}
