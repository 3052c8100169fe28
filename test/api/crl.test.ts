import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parseCertificate, parseCrl, fromPem, verifyCrl, type Certificate } from '#x509/index.ts'
import { requireProgram } from '../support/workbench.ts'
import { TestHouse, type Enrolled } from '../support/server.ts'

const folder = mkdtempSync(join(tmpdir(), 'writ-crl-'))
/** The server runs in this process: nothing may hold it up. */
const run = promisify(execFile)
let house: TestHouse
beforeAll(async () => {
  requireProgram('curl', 'curl', '--version')
  const database = { url: `file:${join(folder, 'writ.db')}` }
  house = await TestHouse.start({ status_url: 'http://status.example.org', database })
  await house.register('invoice-bot')
})
afterAll(async () => {
  rmSync(folder, { recursive: true })
  await house.stop()
})

/** The status listener answers for whatever host the certificate names. */
const at = (url: string): string => new URL(new URL(url).pathname, house.server.addresses['status']).href
const leafOf = ({ svid }: Enrolled): Certificate => parseCertificate(fromPem('CERTIFICATE', svid.certificate))
const pointOf = (leaf: Certificate): string => leaf.extension('crlDistributionPoints')?.uris[0] ?? ''
const completeOf = (url: string): string => url.replace(/\/\d+\.crl$/, '.crl')

const caOf = (leaf: Certificate): string =>
  leaf.extension('authorityInfoAccess')?.accesses.find(({ method }) => method === 'caIssuers')?.uri ?? ''

async function fetchCrl(url: string) {
  const response = await fetch(at(url))
  expect(response.status).toBe(200)
  return parseCrl(new Uint8Array(await response.arrayBuffer()))
}

async function until<Found>(look: () => Promise<Found | null>, limit = 60_000): Promise<Found> {
  for (const end = performance.now() + limit; ;) {
    const found = await look()
    if (found !== null) return found
    if (performance.now() > end) throw new TypeError('did not come about')
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

/** What is promised within a minute is waited for so long. */
const LONG = 120_000

describe('a running server', { timeout: LONG }, () => {
  it('promise 6 R6 R13 a revocation is on the CRL that the certificate names, and on that of everything, within the minute', async () => {
    const bot = await house.enroll('invoice-bot')
    const other = await house.enroll('invoice-bot')
    const leaf = leafOf(bot)
    const shard = pointOf(leaf)
    expect(shard).toMatch(/^http:\/\/status\.example\.org\/crl\/aut_[a-z0-9]+\/\d+\.crl$/)
    // It answers before anything is revoked: nobody is left without.
    const before = await until(async () => ((await fetch(at(shard))).status === 200 ? fetchCrl(shard) : null))
    expect(before.find(leaf.serial)).toBeUndefined()
    const { status } = await house.admin('/v1/revocations', {
      json: { handle: 'instance', value: bot.svid.instance, reason: 'key_compromise' },
    })
    expect(status).toBe(200)
    const revoked = performance.now()
    for (const url of [shard, completeOf(shard)]) {
      const crl = await until(async () => {
        const read = await fetchCrl(url)
        return read.find(leaf.serial) === undefined ? null : read
      })
      expect(crl.find(leaf.serial)?.reason).toBe('keyCompromise')
      expect(crl.find(leafOf(other).serial)).toBeUndefined()
      expect(crl.scope?.distributionPoint).toBe(url === shard ? shard : undefined)
      if (url === shard) expect(crl.number).toBeGreaterThan(before.number)
      const issuer = parseCertificate(new Uint8Array(await (await fetch(at(caOf(leaf)))).arrayBuffer()))
      verifyCrl(crl, issuer)
    }
    expect(performance.now() - revoked).toBeLessThan(60_000)
  })

  it('R3 every shard of an authority answers as soon as it signs for others, with an empty list', async () => {
    const leaf = leafOf(await house.enroll('invoice-bot'))
    const base = completeOf(pointOf(leaf)).replace(/\.crl$/, '')
    for (let shard = 0; shard < 32; shard++) {
      const url = `${base}/${String(shard)}.crl`
      const crl = await until(async () => ((await fetch(at(url))).status === 200 ? fetchCrl(url) : null))
      expect(crl.scope?.distributionPoint).toBe(url)
      if (crl.entries.length === 0) expect(crl.nextUpdate - crl.thisUpdate).toBe(86_400_000)
    }
    expect((await fetch(at(`${base}/32.crl`))).status).toBe(404)
  })

  it('R12 R13 says how it may be kept, for less than it is valid, and tells who has it that nothing has changed', async () => {
    const url = at(pointOf(leafOf(await house.enroll('invoice-bot'))))
    await until(async () => ((await fetch(url)).status === 200 ? true : null))
    const first = await fetch(url)
    const body = new Uint8Array(await first.arrayBuffer())
    expect(first.headers.get('content-type')).toBe('application/pkix-crl')
    expect(first.headers.get('cache-control')).toBe('public, max-age=30, no-transform')
    expect(Date.parse(first.headers.get('last-modified') ?? '')).toBe(parseCrl(body).thisUpdate)
    const etag = first.headers.get('etag') ?? ''
    expect(etag).toMatch(/^"[0-9a-f]{64}"$/)
    for (const known of [etag, `W/${etag}`, `"other", ${etag}`, '*']) {
      const again = await fetch(url, { headers: { 'if-none-match': known } })
      expect(again.status, known).toBe(304)
      expect((await again.arrayBuffer()).byteLength).toBe(0)
      expect(again.headers.get('etag')).toBe(etag)
    }
    expect((await fetch(url, { headers: { 'if-none-match': '"other"' } })).status).toBe(200)
    const head = await fetch(url, { method: 'HEAD' })
    expect([head.status, head.headers.get('content-length')]).toEqual([200, String(body.length)])
    const { stdout } = await run('curl', ['-sS', '-D', '-', '-o', join(folder, 'shard.crl'), url])
    expect(stdout).toContain('application/pkix-crl')
    expect(new Uint8Array(readFileSync(join(folder, 'shard.crl')))).toEqual(body)
  })

  it.each([
    ['an authority that there is not', (base: string) => base.replace(/aut_[a-z0-9]+/, 'aut_0'), '/0.crl'],
    ['a shard that no certificate names', (base: string) => base, '/32.crl'],
    ['a number that is written otherwise', (base: string) => base, '/00.crl'],
    ['a word that is a name of ours', (base: string) => base, '/complete.crl'],
  ])('has nothing for %s', async (_what, change, path) => {
    const base = completeOf(pointOf(leafOf(await house.enroll('invoice-bot')))).replace(/\.crl$/, '')
    const reply = await fetch(at(`${change(base)}${path}`))
    expect([reply.status, ((await reply.json()) as { code: string }).code]).toEqual([404, 'CRL_NOT_FOUND'])
  })

  it('serves on every replica what one of them publishes, and measures it', async () => {
    const bot = await house.enroll('invoice-bot')
    const leaf = leafOf(bot)
    await house.admin('/v1/revocations', {
      json: { handle: 'instance', value: bot.svid.instance, reason: 'cessation_of_operation' },
    })
    const next = await house.replica(2)
    try {
      const url = new URL(new URL(pointOf(leaf)).pathname, next.server.addresses['status']).href
      await until(async () => {
        const reply = await fetch(url)
        if (reply.status !== 200) return null
        return parseCrl(new Uint8Array(await reply.arrayBuffer())).find(leaf.serial) ?? null
      })
    } finally {
      await next.stop()
    }
    const metrics = await (await fetch(new URL('/metrics', house.server.addresses['health']))).text()
    expect(metrics).toMatch(/^writ_crl_entries\{authority="aut_[a-z0-9]+"\} [1-9]/m)
    expect(metrics).toMatch(/^writ_crl_oldest_issued_seconds\{authority="aut_[a-z0-9]+"\} 1\d{9}/m)
  })
})
