import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { SystemClock } from '#adapters/system/index.ts'
import type { Bytes } from '#kernel/bytes.ts'
import { isWritError } from '#kernel/errors.ts'
import { toRfc3339 } from '#kernel/instant.ts'
import { RefreshingTrust } from '#receiver/index.ts'
import { TrustDomain } from '#spiffe/index.ts'
import { fromPemList, parseCertificate, toPem, type Certificate, type Crl } from '#x509/index.ts'
import { Peer } from '../../src/receiver/peer.ts'
import { codeOfAsync } from '../support/code-of.ts'
import { crlOf, RootedServer } from '../support/rooted-server.ts'
import type { Enrolled } from '../support/server.ts'
import { requireProgram, Workbench } from '../support/workbench.ts'

const bench = new Workbench()
beforeAll(() => {
  requireProgram('openssl', 'openssl', 'version')
  requireProgram('gnutls-bin', 'certtool', '--version')
})
afterAll(() => {
  bench.remove()
})

const hex = ({ serial }: Certificate) => Buffer.from(serial).toString('hex')
const clock = new SystemClock()

async function until(holds: () => Promise<boolean>, limit = 30_000): Promise<void> {
  for (const end = performance.now() + limit; !(await holds());) {
    if (performance.now() > end) throw new TypeError('did not come about')
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

interface Chain {
  readonly leaf: Certificate
  readonly issuing: Certificate
}

function chainOf({ svid }: Enrolled): Chain {
  const [leaf, issuing] = fromPemList('CERTIFICATE', svid.certificate + svid.chain).map((der) => parseCertificate(der))
  if (leaf === undefined || issuing === undefined) throw new TypeError('no chain')
  return { leaf, issuing }
}

/** Leaf, issuing authority and root, by the CRLs at the places that the certificates name; the root is on its own. */
async function judge({ leaf, issuing }: Chain, root: Certificate): Promise<string> {
  bench.writeCertificates('root.pem', root.der)
  bench.writeCertificates('issuing.pem', issuing.der)
  bench.writeCertificates('leaf.pem', leaf.der)
  const crls = [await crlOf(leaf), await crlOf(issuing)]
  bench.write('crls.pem', crls.map(({ der }) => toPem('X509 CRL', der)).join(''))
  return openssl('-CRLfile', 'crls.pem', '-untrusted', 'issuing.pem', 'leaf.pem')
}

const openssl = (...args: string[]): Promise<string> =>
  bench.talk('openssl', 'verify', '-x509_strict', '-crl_check_all', '-extended_crl', '-CAfile', 'root.pem', ...args)

/** The same for the issuing authority alone, to see what is said of it. */
async function judgeIssuing({ issuing }: Chain, root: Certificate): Promise<string> {
  bench.writeCertificates('root.pem', root.der)
  bench.writeCertificates('issuing.pem', issuing.der)
  bench.write('crls.pem', toPem('X509 CRL', (await crlOf(issuing)).der))
  return openssl('-CRLfile', 'crls.pem', 'issuing.pem')
}

/** What GnuTLS says of the root's CRL as it is served. */
async function certtool({ issuing }: Chain, root: Certificate): Promise<string> {
  bench.writeCertificates('root.pem', root.der)
  bench.write('root.crl', toPem('X509 CRL', (await crlOf(issuing)).der))
  return bench.talk('certtool', '--verify-crl', '--load-ca-certificate', 'root.pem', '--infile', 'root.crl')
}

/** A receiver that fetches the bundle of that server, and the root's CRL at the place that is named, or what is given. */
async function receiver(server: RootedServer, chain: Chain) {
  const given: { crl: Crl | null } = { crl: null }
  const get = async (path: string) => (await server.house.ask(path)).body
  const trust = new RefreshingTrust({
    trustDomain: TrustDomain.parse('example.org'),
    fetchBundle: async () => JSON.stringify(await get('/bundle')),
    fetchJwks: async () => JSON.stringify(await get('/oauth2/jwks')),
    fetchCrls: async (): Promise<readonly Bytes[]> => [(given.crl ?? (await crlOf(chain.issuing))).der],
    requireIntermediateCrl: true,
    clock,
  })
  await trust.refresh()
  const verdict = (): string => {
    try {
      Peer.verify([chain.leaf.der, chain.issuing.der], trust.current(), clock.now())
      return 'ACCEPTED'
    } catch (error) {
      if (!isWritError(error)) throw error
      return String(error.details['reason'])
    }
  }
  return { trust, verdict, given }
}

const MODES = [
  ['opened by ceremonies only', () => RootedServer.offline()],
  ['at hand', () => RootedServer.atHand()],
] as const

/** A server, and a chain under it, once all that it names answers. */
async function setUp(open: () => Promise<RootedServer>) {
  const server = await open()
  await server.house.register('invoice-bot')
  const bot = await server.house.enroll('invoice-bot')
  const chain = chainOf(bot)
  await until(async () => (await fetch(pointOf(chain.leaf))).ok && (await fetch(pointOf(chain.issuing))).ok)
  const root = parseCertificate(fromPemList('CERTIFICATE', await anchorsOf(server))[0] ?? new Uint8Array())
  return { server, bot, chain, root }
}

describe.each(MODES)('under a root that is %s,', (_mode, open) => {
  let server: RootedServer
  let root: Certificate
  let chain: Chain
  beforeAll(async () => {
    ;({ server, root, chain } = await setUp(open))
  }, 120_000)
  afterAll(async () => {
    await server.stop()
  })

  it('R6 R11 R12 openssl takes the whole chain by the CRLs that the server serves where certificates say', async () => {
    expect(await judge(chain, root)).toBe('leaf.pem: OK\n')
    expect(pointOf(chain.issuing)).toMatch(new RegExp(`^${server.statusUrl}/crl/root-[0-9a-f]{40}\\.crl$`))
    const reply = await fetch(pointOf(chain.issuing))
    expect(reply.headers.get('content-type')).toBe('application/pkix-crl')
    expect(reply.headers.get('cache-control')).toBe('public, max-age=30, no-transform')
    const known = { 'if-none-match': reply.headers.get('etag') ?? '' }
    expect((await fetch(pointOf(chain.issuing), { headers: known })).status).toBe(304)
    expect((await fetch(`${server.statusUrl}/crl/root-${'0'.repeat(40)}.crl`)).status).toBe(404)
  })

  it('R11 openssl fetches them itself; only for the root, whose certificate names no place, it has none', async () => {
    await judge(chain, root)
    const said = await openssl('-crl_download', '-untrusted', 'issuing.pem', 'leaf.pem')
    expect(said).toContain('error 3 at 2 depth lookup: unable to get certificate CRL')
    expect(said).not.toMatch(/at [01] depth/)
  })

  it('R1 R4 GnuTLS agrees that the CRL is of the root', async () => {
    expect(await certtool(chain, root)).toContain('Verified.')
  })

  it('R7 openssl refuses a leaf that is revoked, and takes the others of its authority', async () => {
    const bot = await server.house.enroll('invoice-bot')
    const revoked = chainOf(bot)
    expect(await judge(revoked, root)).toBe('leaf.pem: OK\n')
    const json = { handle: 'instance', value: bot.svid.instance, reason: 'key_compromise' }
    expect((await server.house.admin('/v1/revocations', { json })).status).toBe(200)
    await until(async () => (await crlOf(revoked.leaf)).find(revoked.leaf.serial) !== undefined)
    expect(await judge(revoked, root)).toContain('error 23 at 0 depth lookup: certificate revoked')
    expect(await judge(chain, root)).toBe('leaf.pem: OK\n')
  })
})

it.each(MODES)(
  'R4 R7 R13 under a root that is %s, an authority on its CRL is refused with all its leaves, and an older CRL helps nobody',
  async (mode, open) => {
    const { server, root, chain } = await setUp(open)
    try {
      const holder = await receiver(server, chain)
      expect(holder.verdict()).toBe('ACCEPTED')
      const before = await crlOf(chain.issuing)
      await (mode === 'at hand' ? revokeByTaint(server) : revokeByCeremony(server, chain.issuing))
      await until(async () => (await crlOf(chain.issuing)).find(chain.issuing.serial) !== undefined)
      expect((await crlOf(chain.issuing)).number).toBeGreaterThan(before.number)
      expect(await judgeIssuing(chain, root)).toContain('error 23 at 0 depth lookup: certificate revoked')
      if (mode !== 'at hand') expect(await judge(chain, root)).toContain('error 23 at 1 depth lookup')
      expect(await certtool(chain, root)).toContain('Verified.')
      await holder.trust.refresh()
      expect(holder.verdict()).toBe('PATH_AUTHORITY_REVOKED')
      holder.given.crl = before
      expect(await codeOfAsync(() => holder.trust.refresh())).toBe('RECEIVER_CRL_ROLLBACK')
      expect(holder.verdict()).toBe('PATH_AUTHORITY_REVOKED')
    } finally {
      await server.stop()
    }
  },
  120_000,
)

const pointOf = (certificate: Certificate): string => certificate.extension('crlDistributionPoints')?.uris[0] ?? ''

async function anchorsOf(server: RootedServer): Promise<string> {
  const { body } = await server.house.admin('/v1/authorities')
  const items = body['items'] as readonly { readonly kind: string; readonly certificate: string | null }[]
  return items.flatMap(({ kind, certificate }) => (kind === 'x509-root' ? [certificate ?? ''] : [])).join('')
}

async function revokeByCeremony(server: RootedServer, issuing: Certificate): Promise<void> {
  const at = toRfc3339(clock.now()).replace(/\.\d+/, '')
  const revoked = `[{ serial: ${hex(issuing)}, at: "${at}", reason: cACompromise }]`
  const crls = `{ count: 13, every: 30d, overlap: 15d, first_number: 14, revoked: ${revoked} }`
  await server.ceremony('second', { crls })
  const imported = await server.writ('ca', 'import', 'second', '--json')
  expect(imported).toMatchObject({ code: 0, stderr: '' })
  expect((JSON.parse(imported.stdout) as readonly { state: string }[]).map(({ state }) => state)).toEqual(
    Array.from({ length: 13 }, () => 'stored'),
  )
}

async function revokeByTaint(server: RootedServer): Promise<void> {
  const { body } = await server.house.admin('/v1/authorities')
  const items = body['items'] as readonly { readonly id: string; readonly kind: string; readonly state: string }[]
  const active = items.find(({ kind, state }) => kind === 'x509' && state === 'active')
  const json = { compromised: true, reason: 'stolen' }
  const { status } = await server.house.admin(`/v1/authorities/${active?.id ?? ''}/taint`, { json })
  expect(status).toBe(200)
}
