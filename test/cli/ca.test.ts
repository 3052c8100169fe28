import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Sqlite from 'better-sqlite3'
import { afterEach, describe, expect, it } from 'vitest'
import { freePort } from '../support/free-port.ts'
import { Background, until } from '../support/background.ts'
import { run } from '../support/run.ts'
import { writ, type Ran } from '../support/writ.ts'

const folders: string[] = []
const running: Background[] = []

afterEach(async () => {
  for (const server of running.splice(0)) await server.stop()
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true })
})

const CEREMONY = `
name: first root
trust_domain: example.org
present:
  - { name: Ada, role: administrator }
  - { name: Grace, role: witness }
keys: { folder: medium }
root: { key: root-1, algorithm: ES384 }
issuing:
  - { name: active, request: requests/issuing-1.csr, lifetime: 90d }
  - { name: standby, request: requests/issuing-2.csr, lifetime: 180d }
crls: { count: 13, every: 30d, overlap: 15d }
output: out
`

interface Row {
  readonly id: string
  readonly kind: string
  readonly state: string
  readonly certificate: string | null
}

function both([first, second]: readonly Row[]): readonly [Row, Row] {
  if (first === undefined || second === undefined) throw new TypeError('there are not two')
  return [first, second]
}

class Place {
  readonly cwd = mkdtempSync(join(tmpdir(), 'writ-ca-'))

  constructor() {
    folders.push(this.cwd)
  }

  writ(...args: readonly string[]): Promise<Ran> {
    return writ(args, { cwd: this.cwd, env: { WRIT_DATA: join(this.cwd, 'data') } })
  }

  async done(...args: readonly string[]): Promise<string> {
    const ran = await this.writ(...args)
    expect(ran).toMatchObject({ code: 0, stderr: '' })
    return ran.stdout
  }

  async init(...more: readonly string[]): Promise<Ran> {
    const port = String(await freePort())
    const where = ['--public-url', `https://localhost:${port}`, '--listen-https', `127.0.0.1:${port}`]
    const off = ['--listen-status', 'off', '--listen-health', 'off']
    return this.writ('server', 'init', '--trust-domain', 'example.org', ...where, ...off, ...more)
  }

  async serve(): Promise<Background> {
    const server = new Background(['server', 'run'], { cwd: this.cwd, env: { WRIT_DATA: join(this.cwd, 'data') } })
    running.push(server)
    await until(
      () => server.stdout.includes('ready'),
      () => server.stderr,
    )
    return server
  }

  async x509(...flags: readonly string[]): Promise<readonly Row[]> {
    const rows = JSON.parse(await this.done('ca', 'status', '--json', ...flags)) as readonly Row[]
    return rows.filter(({ kind }) => kind === 'x509')
  }
}

describe('writ ca', () => {
  it('brings up a server whose root only a ceremony opens, and rotates what it signed', async () => {
    const place = new Place()
    expect(await place.init('--root-offline', '--csr-out', 'requests')).toMatchObject({ code: 0, stderr: '' })
    expect((await place.writ('server', 'run')).stderr).toContain('[AUTHORITY_AWAITS_CEREMONY]')

    writeFileSync(join(place.cwd, 'root.yaml'), CEREMONY)
    await place.done('ca', 'ceremony', 'run', 'root.yaml')
    // Without the root there is nobody who vouches for the others.
    expect((await place.writ('ca', 'import', '--offline', 'out/active.pem')).stderr).toContain(
      '[AUTHORITY_CERTIFICATE_INVALID]',
    )
    await place.done('ca', 'import', '--offline', 'out/root.pem', 'out/active.pem', 'out/standby.pem')
    expect((await place.x509('--offline')).map(({ state }) => state)).toEqual(['prepared', 'prepared'])
    // The medium with the root's key leaves the room.
    rmSync(join(place.cwd, 'medium'), { recursive: true })

    await place.serve()
    const [first, second] = both(await place.x509())
    expect([first.state, second.state]).toEqual(['active', 'prepared'])
    writeFileSync(join(place.cwd, 'issuing.pem'), first.certificate ?? '')
    const flags = ['-x509_strict', '-crl_check_all', '-extended_crl', '-CRLfile', 'out/root-crl-0001.pem']
    const openssl = run('openssl', ['verify', ...flags, '-CAfile', 'out/root.pem', 'issuing.pem'], { cwd: place.cwd })
    expect(openssl.stdout).toBe('issuing.pem: OK\n')

    await place.done('ca', 'publish', second.id)
    const tooSoon = await place.writ('ca', 'activate', second.id)
    expect(tooSoon.stderr).toContain('[AUTHORITY_NOT_PROPAGATED]')
    expect((await place.writ('ca', 'activate', second.id, '--urgent')).stderr).toContain('[AUTHORITY_REASON_REQUIRED]')
    const override = ['--urgent', '--reason', 'a rehearsal']
    const dry = await place.done('ca', 'activate', second.id, ...override, '--dry-run')
    expect(dry).toContain('nothing was changed')
    expect(dry).toMatch(/the gate is closed: not everybody can know it yet; opens 20[^]*concerns 0 identities/)
    expect((await place.x509()).map(({ state }) => state)).toEqual(['active', 'published'])
    expect(await place.done('ca', 'status')).toMatch(/writ ca activate aut_\w+, whose gate is closed/)
    await place.done('ca', 'activate', second.id, ...override)
    expect(await place.done('ca', 'activate', second.id)).toContain('this was done before')
    expect((await place.x509()).map(({ state }) => state)).toEqual(['retiring', 'active'])
    await place.done('ca', 'rollback', second.id)
    expect((await place.x509()).map(({ state }) => state)).toEqual(['active', 'published'])
    // Under a root that is not at hand nobody can be made to take its place.
    expect((await place.writ('ca', 'taint', first.id)).stderr).toContain('[AUTHORITY_NO_SUCCESSOR]')
    await place.done('ca', 'taint', second.id, '--within', '5m', '--reason', 'a rehearsal')
    expect((await place.x509()).map(({ state }) => state)).toEqual(['active', 'tainted'])
    await place.done('ca', 'retire', second.id)

    await place.done('ca', 'prepare', '--csr-out', 'next.csr')
    expect(readFileSync(join(place.cwd, 'next.csr'), 'utf8')).toContain('BEGIN CERTIFICATE REQUEST')
    expect((await place.writ('ca', 'prepare', '--csr-out', 'next.csr')).stderr).toContain('[FILE_EXISTS]')
    expect((await place.x509()).map(({ state }) => state)).toEqual(['active', 'retired', 'prepared'])
    expect((await place.writ('ca', 'import', 'out/standby.pem')).code).toBe(0)
  }, 120_000)

  it('rotates and taints every kind of a server that signs for itself', async () => {
    const place = new Place()
    expect(await place.init()).toMatchObject({ code: 0, stderr: '' })
    await place.serve()
    const first = await place.x509()
    const prepared = JSON.parse(await place.done('ca', 'prepare', '--kind', 'access-token', '--json')) as {
      readonly authority: string
    }
    await place.done('ca', 'publish', prepared.authority)
    const rows = JSON.parse(await place.done('ca', 'status', '--json')) as readonly (Row & {
      readonly gate: { readonly because: string } | null
    })[]
    expect(rows.find(({ id }) => id === prepared.authority)?.gate?.because).toBe('not-propagated')
    expect((await place.writ('ca', 'prepare', '--kind', 'x509-root')).stderr).toContain('[AUTHORITY_MODE]')
    const signing = first[0]?.id ?? ''
    expect(await place.done('ca', 'taint', signing, '--dry-run')).toContain('tainted')
    const stale = await place.writ('ca', 'taint', signing, '--expect-version', '1')
    expect(stale.stderr).toContain('[AUTHORITY_CHANGED]')
    await place.done('ca', 'taint', signing, '--compromised', '--reason', 'the backup was stolen')
    const after = await place.x509()
    // A new reserve may have been published by now.
    const states = after.map(({ state }) => state).filter((state) => state !== 'published')
    expect(states.toSorted()).toEqual(['active', 'tainted'])
    expect(after.find(({ id }) => id === signing)?.state).toBe('tainted')
  }, 120_000)

  it('leaves responders that are over out of the status, unless everything is asked for', async () => {
    const place = new Place()
    await place.init()
    const store = new Sqlite(join(place.cwd, 'data', 'writ.db'))
    // As a server leaves them behind by the hundred.
    store.prepare(`UPDATE "Authority" SET "kind" = 'ocsp', "state" = 'retired' WHERE "kind" = 'events'`).run()
    store.close()
    const kinds = async (...flags: readonly string[]) =>
      (JSON.parse(await place.done('ca', 'status', '--offline', '--json', ...flags)) as Row[]).map(({ kind }) => kind)
    expect(await kinds()).not.toContain('ocsp')
    expect(await kinds('--all')).toContain('ocsp')
  })

  it('wants a folder for the requests of an offline root, and no key of it', async () => {
    const place = new Place()
    for (const flags of [
      ['--root-offline'],
      ['--csr-out', 'requests'],
      ['--root-offline', '--root-key', 'k', '--csr-out', 'r'],
    ]) {
      expect((await place.init(...flags)).code).toBe(2)
    }
    expect(existsSync(join(place.cwd, 'data'))).toBe(false)
  })
})
