import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { SystemClock } from '#adapters/system/index.ts'
import { runCeremony } from '#flows/ceremony/run-ceremony.ts'
import { authorityRequest } from '#flows/request-authority.ts'
import { importAuthority } from '#flows/import-authority.ts'
import { initializeAuthorities } from '#flows/initialize-authorities.ts'
import { issueX509Svid } from '#flows/issue-x509-svid.ts'
import { keepDelegates } from '#flows/keep-delegates.ts'
import { rotateAuthorities } from '#flows/rotate-authorities.ts'
import { transitionAuthority } from '#flows/transition-authority.ts'
import { after, DAY, HOUR, MINUTE, type Instant } from '#kernel/instant.ts'
import { FOR_EVER } from '#revocation/index.ts'
import { parseCsr } from '#x509/index.ts'
import { byState, step, withSuccessor } from '../support/authority-steps.ts'
import { CeremonyRoom, newPlan } from '../support/ceremony.ts'
import { certificateOf, OcspHouse, serveOcsp, type OcspServer } from '../support/ocsp.ts'
import { emptyTrustDomain, newTrustDomain, svidOrder, type TestTrustDomain } from '../support/trust-domain.ts'
import { requireProgram, Workbench } from '../support/workbench.ts'

const bench = new Workbench()
const servers: OcspServer[] = []
beforeAll(() => {
  requireProgram('openssl', 'openssl', 'version')
  requireProgram('gnutls-bin', 'ocsptool', '--version')
  requireProgram('curl', 'curl', '--version')
})
afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop()
})
afterAll(() => {
  bench.remove()
})

/** The programs look at their own clock, so that the domain begins a little before now and is then brought to it. */
const now: Instant = new SystemClock().now()
const BEGIN = after(now, -15 * MINUTE)
const BAD = 'i-0000000000000001'

const MODES: readonly (readonly [string, () => Promise<TestTrustDomain>])[] = [
  ['self-rooted', () => newTrustDomain({ now: BEGIN })],
  ['rooted', () => newTrustDomain({ now: BEGIN, options: { mode: 'rooted', root: 'generate' } })],
  ['under an offline root', underOfflineRoot],
]

async function underOfflineRoot(): Promise<TestTrustDomain> {
  const empty = await emptyTrustDomain({}, BEGIN)
  const options = { mode: 'rooted', root: { certificate: null, keyReference: null } } as const
  const authorities = await initializeAuthorities(empty.ports, { actor: 'local:0', options })
  const domain = { ...empty, authorities, ports: { ...empty.ports, authorities } }
  const room = new CeremonyRoom()
  room.clock.set(BEGIN)
  const awaiting = domain.store.all('Authority').filter(({ kind }) => kind === 'x509')
  const issuing = await Promise.all(
    awaiting.map(async ({ id }, index) => ({
      name: `issuing-${String(index)}`,
      request: parseCsr(await authorityRequest(domain.ports, id)),
      lifetime: (index + 1) * 90 * DAY,
    })),
  )
  const made = await runCeremony(room.ports, await newPlan({ issuing }))
  for (const { der } of [made.root, ...made.issuing]) {
    await importAuthority(domain.ports, { actor: 'local:0', certificate: der })
  }
  await rotateAuthorities(domain.ports)
  return domain
}

/** How the authority under which the certificates were issued stands when its responder is asked. */
const STATES = ['active', 'retiring', 'retired', 'tainted'] as const

async function moveTo(house: OcspHouse, state: (typeof STATES)[number], id: string): Promise<void> {
  if (state === 'active') return
  await step(house.domain, await successor(house.domain), 'activate')
  if (state === 'retired') await step(house.domain, id, 'retire', true)
  if (state === 'tainted') await step(house.domain, id, 'taint')
}

/** Under an offline root the ceremony has made one; elsewhere one is made. */
async function successor(domain: TestTrustDomain): Promise<string> {
  const standby = domain.store.all('Authority').find(({ kind, state }) => kind === 'x509' && state === 'prepared')
  if (standby === undefined) return (await withSuccessor(domain)).id
  await transitionAuthority(domain.ports, { actor: 'local:0', id: standby.id, step: 'publish' })
  domain.clock.advance(10 * MINUTE)
  return standby.id
}

interface Asked {
  readonly url: string
  /** What openssl and GnuTLS need to verify. */
  readonly trust: readonly string[]
}

/** Certificates of a good and of a bad instance in files, and one that nobody has issued; and the server, asked now. */
async function prepare(domain: TestTrustDomain, state: (typeof STATES)[number]): Promise<Asked> {
  const house = new OcspHouse(domain)
  const { issuer } = house
  const good = await issueX509Svid(domain.ports, await svidOrder(domain))
  const bad = await issueX509Svid(domain.ports, await svidOrder(domain, { instance: { id: BAD } }))
  bench.writeCertificates('good.pem', good.certificate)
  bench.writeCertificates('revoked.pem', bad.certificate)
  bench.writeCertificates('issuing.pem', certificateOf(issuer).der)
  bench.writeCertificates('root.pem', domain.authorities.current().anchorOf(issuer.id).der)
  await moveTo(house, state, issuer.id)
  await house.cutOff('instance', BAD, FOR_EVER)
  const { failed } = await keepDelegates(domain.ports)
  expect(failed).toEqual([])
  domain.clock.set(now)
  const server = await serveOcsp(house)
  servers.push(server)
  return { url: server.url, trust: ['-CAfile', 'root.pem', '-verify_other', 'issuing.pem', '-issuer', 'issuing.pem'] }
}

describe.each(MODES)('outsiders agree with our responder, %s', (_mode, open) => {
  it.each(STATES)('O1 O2 O4 O7 O8 openssl, GnuTLS and curl, while the authority is %s', async (state) => {
    const { url, trust } = await prepare(await open(), state)
    for (const said of ['good', 'revoked']) {
      for (const how of [
        ['-sha1', '-nonce'],
        ['-sha256', '-nonce'],
        ['-sha1', '-no_nonce'],
        ['-sha256', '-no_nonce'],
      ]) {
        const [hash = '', nonce = ''] = how
        const asked = ['ocsp', hash, ...trust, '-cert', `${said}.pem`]
        const posted = await bench.talk('openssl', ...asked, nonce, '-url', url)
        expect(posted, posted).toContain('Response verify OK')
        expect(posted).toContain(`${said}.pem: ${said}`)
        expect(posted).not.toContain('WARNING')
        if (said === 'revoked') expect(posted).toContain('Reason: keyCompromise')
      }
      await askByGet(url, trust, said)
      const gnutls = ['--load-cert', `${said}.pem`, '--load-issuer', 'issuing.pem', '--load-trust', 'issuing.pem']
      const shown = await bench.talk('ocsptool', `--ask=${url}`, '--nonce', ...gnutls)
      expect(shown, shown).toMatch(/Verifying OCSP Response: Success/)
      expect(shown).toContain(`Certificate Status: ${said}`)
    }
    const strange = await bench.talk('openssl', 'ocsp', ...trust, '-serial', '0x0102030405', '-url', url)
    expect(strange).toContain('Response verify OK')
    expect(strange).toContain('0x0102030405: unknown')
  })
})

/** RFC 9919: base64 in the path, with the characters of base64 as they are, and percent-encoded. */
async function askByGet(url: string, trust: readonly string[], said: string): Promise<void> {
  const out = ['-sha256', '-no_nonce', '-issuer', 'issuing.pem', '-cert', `${said}.pem`, '-reqout', 'request.der']
  bench.run('openssl', 'ocsp', ...out)
  const text = Buffer.from(bench.bytes('request.der')).toString('base64')
  expect(text.length).toBeLessThan(255)
  for (const path of [text, encodeURIComponent(text)]) {
    await bench.talk('curl', '-sS', '--path-as-is', '-D', 'headers.txt', '-o', 'response.der', `${url}/${path}`)
    const read = [
      'ocsp',
      ...trust.slice(0, 4),
      '-reqin',
      'request.der',
      '-respin',
      'response.der',
      '-no_nonce',
      '-text',
    ]
    const verified = bench.answer('openssl', ...read)
    expect(verified).toContain('Response verify OK')
    expect(verified).toContain(`Cert Status: ${said}`)
    expect(bench.read('headers.txt')).toMatch(/^cache-control: max-age=\d+, public, no-transform, must-revalidate\r$/im)
  }
}

describe('the responder of one authority', () => {
  it('O3 O4 is refused by openssl where another one was asked, and by us where it is none of ours', async () => {
    const { url, trust } = await prepare(await newTrustDomain({ now: BEGIN }), 'active')
    const other = await OcspHouse.open({ now: after(now, -HOUR) })
    bench.writeCertificates('other.pem', certificateOf(byState(other.domain, 'x509', 'active')).der)
    const asked = await bench.talk('openssl', 'ocsp', '-issuer', 'other.pem', '-cert', 'good.pem', '-url', url)
    expect(asked).toContain('unauthorized')
    const distrusted = [...trust, '-CAfile', 'other.pem', '-cert', 'good.pem', '-url', url]
    expect(await bench.talk('openssl', 'ocsp', ...distrusted)).not.toContain('Response verify OK')
  })
})
