import { createServer } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fromPem, parseCertificate, toPem } from '#x509/index.ts'
import { TestHouse, type Enrolled } from '../support/server.ts'
import { requireProgram, Workbench } from '../support/workbench.ts'

/**
 * What OpenSSL and GnuTLS say of certificates of ours before, during and after a rotation, from what anybody can fetch:
 * CRLs by the distribution points in the certificates, and OCSP, with and without a nonce, by GET and by POST.
 */

let house: TestHouse
const bench = new Workbench()
let statusUrl: string

/** A certificate and what became of it. */
interface Subject {
  readonly enrolled: Enrolled
  readonly file: string
  readonly authority: string
}

beforeAll(async () => {
  requireProgram('openssl', 'openssl', 'version')
  requireProgram('gnutls-bin', 'ocsptool', '--version')
  const port = await freePort()
  statusUrl = `http://127.0.0.1:${String(port)}`
  house = await TestHouse.start({
    status_url: statusUrl,
    listen: { https: '127.0.0.1:0', status: `127.0.0.1:${String(port)}`, health: null },
  })
  await house.register('bot')
}, 60_000)

afterAll(async () => {
  await house.stop()
  bench.remove()
})

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
      const address = probe.address()
      probe.close(() => {
        resolve(typeof address === 'object' && address !== null ? address.port : 0)
      })
    })
  })
}

let count = 0

async function enrolled(): Promise<Subject> {
  const one = await house.enroll('bot')
  const file = bench.write(`leaf-${String(++count)}.pem`, one.svid.certificate)
  const [crl = ''] = certificateOf(one).extension('crlDistributionPoints')?.uris ?? []
  const authority = /\/crl\/([^/]+)\//.exec(crl)?.[1] ?? ''
  return { enrolled: one, file, authority }
}

function certificateOf({ svid }: Enrolled) {
  return parseCertificate(fromPem('CERTIFICATE', svid.certificate))
}

async function revoke({ enrolled: { svid } }: Subject): Promise<void> {
  const json = { handle: 'instance', value: svid.instance, reason: 'key_compromise' }
  expect((await house.admin('/v1/revocations', { json })).status).toBe(200)
}

/** The certificate of an authority, as its AIA says; PEM in a file. */
async function authorityFile(authority: string): Promise<string> {
  const answer = await fetch(`${statusUrl}/ca/${authority}.cer`)
  return bench.write(`${authority}.pem`, toPem('CERTIFICATE', new Uint8Array(await answer.arrayBuffer())))
}

/** A new server publishes its first CRLs within a moment. */
async function fetchCrl(uri: string): Promise<string> {
  let answer = await fetch(uri)
  await expect.poll(async () => (answer = await fetch(uri)).status, { timeout: 20_000 }).toBe(200)
  return toPem('X509 CRL', new Uint8Array(await answer.arrayBuffer()))
}

/** The CRL that the certificate names, and the one of everything, which covers the self-signed authority as well. */
async function crlFiles(subject: Subject): Promise<{ readonly shard: string; readonly all: string }> {
  const [uri = ''] = certificateOf(subject.enrolled).extension('crlDistributionPoints')?.uris ?? []
  const [shard, complete] = [await fetchCrl(uri), await fetchCrl(`${statusUrl}/crl/${subject.authority}.crl`)]
  return { shard: bench.write('shard.pem', shard), all: bench.write('all.pem', shard + complete) }
}

/** Until the CRL has what OCSP has at once; within the 60 s that are promised. */
async function onCrl(subject: Subject): Promise<void> {
  const ca = await authorityFile(subject.authority)
  await expect
    .poll(async () => opensslVerdict(subject, ca, '-crl_check', (await crlFiles(subject)).shard), {
      timeout: 60_000,
      interval: 500,
    })
    .toBe('revoked')
}

type Check = '-crl_check' | '-crl_check_all'

async function opensslVerdict({ file }: Subject, ca: string, check: Check, crl: string): Promise<string> {
  const said = await bench.talk('openssl', 'verify', check, '-extended_crl', '-CAfile', ca, '-CRLfile', crl, file)
  if (/certificate revoked/.test(said)) return 'revoked'
  return said === `${file}: OK\n` ? 'good' : said
}

async function gnutlsVerdict({ file }: Subject, ca: string, crl: string): Promise<string> {
  const said = await bench.talk(
    'certtool',
    '--verify',
    '--infile',
    file,
    '--load-ca-certificate',
    ca,
    '--load-crl',
    crl,
  )
  if (/certificate chain is revoked/.test(said)) return 'revoked'
  return /Chain verification output: Verified/.test(said) ? 'good' : said
}

function ocspVerdict(said: string): string {
  return /: (good|revoked|unknown)\b/.exec(said)?.[1] ?? said
}

async function opensslPost({ file }: Subject, ca: string, ...more: readonly string[]): Promise<string> {
  const args = ['-issuer', ca, '-cert', file, '-url', `${statusUrl}/ocsp`, '-CAfile', ca, ...more]
  const said = await bench.talk('openssl', 'ocsp', ...args)
  return /Response verify OK/.test(said) ? ocspVerdict(said) : said
}

async function opensslGet({ file }: Subject, ca: string): Promise<string> {
  const about = ['-sha256', '-no_nonce', '-issuer', ca, '-cert', file]
  await bench.talk('openssl', 'ocsp', ...about, '-reqout', 'request.der')
  const base64 = Buffer.from(bench.bytes('request.der')).toString('base64')
  const answer = await fetch(`${statusUrl}/ocsp/${encodeURIComponent(base64)}`)
  bench.write('response.der', new Uint8Array(await answer.arrayBuffer()))
  const said = await bench.talk('openssl', 'ocsp', ...about, '-respin', 'response.der', '-CAfile', ca)
  return /Response verify OK/.test(said) ? ocspVerdict(said) : said
}

async function ocsptool({ file }: Subject, ca: string): Promise<string> {
  const args = ['--nonce', '--load-cert', file, '--load-issuer', ca, '--load-trust', ca]
  const said = await bench.talk('ocsptool', `--ask=${statusUrl}/ocsp`, ...args)
  if (!/Verifying OCSP Response: Success/.test(said)) return said
  return /Certificate Status: (good|revoked|unknown)/.exec(said)?.[1] ?? said
}

async function expectVerdict(subject: Subject, verdict: 'good' | 'revoked'): Promise<void> {
  const ca = await authorityFile(subject.authority)
  if (verdict === 'revoked') await onCrl(subject)
  const crls = await crlFiles(subject)
  expect({
    opensslShard: await opensslVerdict(subject, ca, '-crl_check', crls.shard),
    opensslAll: await opensslVerdict(subject, ca, '-crl_check_all', crls.all),
    gnutlsCrl: await gnutlsVerdict(subject, ca, crls.shard),
    opensslOcsp: await opensslPost(subject, ca, '-nonce'),
    opensslOcspWithoutNonce: await opensslPost(subject, ca, '-no_nonce'),
    opensslGet: await opensslGet(subject, ca),
    ocsptool: await ocsptool(subject, ca),
  }).toEqual({
    opensslShard: verdict,
    opensslAll: verdict,
    gnutlsCrl: verdict,
    opensslOcsp: verdict,
    opensslOcspWithoutNonce: verdict,
    opensslGet: verdict,
    ocsptool: verdict,
  })
}

/** A serial number that nobody was given. */
async function expectUnknown(authority: string): Promise<void> {
  const ca = await authorityFile(authority)
  const args = ['-issuer', ca, '-serial', '0x7f00112233445566', '-url', `${statusUrl}/ocsp`, '-CAfile', ca]
  await expect
    .poll(async () => ocspVerdict(await bench.talk('openssl', 'ocsp', ...args)), { timeout: 10_000 })
    .toBe('unknown')
}

async function step(id: string, name: string, json: object = {}): Promise<void> {
  const { status, body } = await house.admin(`/v1/authorities/${id}/${name}`, { json })
  if (status !== 200) throw new TypeError(`${name}: ${JSON.stringify(body)}`)
}

const URGENT = { urgent: true, reason: 'a test does not wait' }

async function judged(subjects: readonly Subject[], dead: readonly Subject[]): Promise<void> {
  for (const one of subjects) await expectVerdict(one, dead.includes(one) ? 'revoked' : 'good')
  for (const authority of new Set(subjects.map((one) => one.authority))) await expectUnknown(authority)
}

describe('OpenSSL and GnuTLS agree with us on good, revoked and unknown', () => {
  it('promise 6: before, during and after a rotation, by CRL and by OCSP', async () => {
    // Before: one authority.
    const [living, dead] = [await enrolled(), await enrolled()]
    await revoke(dead)
    await judged([living, dead], [dead])

    // During: the next one is published, signs, is taken back, and signs again.
    const prepared = await house.admin('/v1/authorities', { json: { kind: 'x509' } })
    const next = String((prepared.body['authority'] as Record<string, unknown> | undefined)?.['id'])
    await step(next, 'publish')
    await expectUnknown(next)
    await step(next, 'activate', URGENT)
    const [young, fallen] = [await enrolled(), await enrolled()]
    expect(young.authority).toBe(next)
    await revoke(fallen)
    await judged([living, dead, young, fallen], [dead, fallen])
    await step(next, 'rollback', URGENT)
    await judged([living, young, fallen], [fallen])
    await step(next, 'activate', URGENT)

    // After: the old one is out of the bundle, and goes on saying what became of its certificates (R11).
    const old = living.authority
    const late = living
    await step(old, 'retire', URGENT)
    await revoke(late)
    await judged([late, dead, young, fallen], [late, dead, fallen])
  }, 300_000)

  it('of an authority that was tainted', async () => {
    const [living, dead] = [await enrolled(), await enrolled()]
    await revoke(dead)
    await step(living.authority, 'taint', { reason: 'a test', urgent: true })
    await judged([living, dead], [dead])
  }, 300_000)
})
