import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SoftwareKeys } from '#adapters/keys/software/index.ts'
import { SystemClock } from '#adapters/system/index.ts'
import { instant, SECOND, wholeSecond } from '#kernel/instant.ts'
import { initServer, runCeremonyFile } from '#server/index.ts'
import { createCrl, fromPem, parseCertificate, parseCrl, toPem, type Certificate, type Crl } from '#x509/index.ts'
import { TestHouse } from './server.ts'
import { writ, type Ran } from './writ.ts'

const OFF = '127.0.0.1:0'

async function freeAddress(): Promise<string> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address() as AddressInfo
  probe.close()
  return `127.0.0.1:${String(port)}`
}

/** What a ceremony is to do besides, YAML. */
export interface CeremonyWishes {
  readonly root?: string
  readonly issuing?: string
  readonly crls: string
  readonly more?: string
}

/**
 * A whole rooted server: its certificates name a place on this machine, where it answers. Ceremonies are held in the
 * folder `cwd`, with keys that no server sees.
 */
export class RootedServer {
  readonly cwd: string
  readonly statusUrl: string
  readonly house: TestHouse

  private constructor(cwd: string, statusUrl: string, house: TestHouse) {
    this.cwd = cwd
    this.statusUrl = statusUrl
    this.house = house
  }

  static async atHand(): Promise<RootedServer> {
    const status = await freeAddress()
    const values = {
      mode: 'rooted',
      status_url: `http://${status}`,
      listen: { https: OFF, status, health: OFF },
    } as const
    return new RootedServer(
      mkdtempSync(join(tmpdir(), 'writ-rooted-')),
      `http://${status}`,
      await TestHouse.start(values),
    )
  }

  static async offline(): Promise<RootedServer> {
    const status = await freeAddress()
    const [cwd, data] = [mkdtempSync(join(tmpdir(), 'writ-rooted-')), mkdtempSync(join(tmpdir(), 'writ-'))]
    const statusUrl = `http://${status}`
    const { requests } = await initServer({
      data,
      values: {
        trust_domain: 'example.org',
        public_url: 'https://id.example.org',
        mode: 'rooted',
        status_url: statusUrl,
        listen: { https: OFF, status, health: OFF },
      },
      admin: { uid: process.getuid?.() ?? 0, name: 'admin' },
      root: { certificate: null, key: null },
    })
    for (const [index, { request }] of requests.entries()) {
      writeFileSync(join(cwd, `issuing-${String(index + 1)}.csr`), toPem('CERTIFICATE REQUEST', request))
    }
    await holdCeremony(cwd, 'first', statusUrl, {
      issuing:
        '[{ name: active, request: issuing-1.csr, lifetime: 90d }, { name: standby, request: issuing-2.csr, lifetime: 180d }]',
      crls: '{ count: 13, every: 30d, overlap: 15d }',
    })
    const imported = await writ(['ca', 'import', '--offline', 'first'], { cwd, env: { WRIT_DATA: data } })
    if (imported.code !== 0) throw new TypeError(imported.stderr)
    return new RootedServer(cwd, statusUrl, await TestHouse.open(data))
  }

  /** Another ceremony, with the same root unless something else is wished for. */
  async ceremony(name: string, wishes: CeremonyWishes): Promise<void> {
    await holdCeremony(this.cwd, name, this.statusUrl, {
      root: '{ key: root-1, certificate: first/root.pem }',
      ...wishes,
    })
  }

  /** A CRL that the root signs without a ceremony, from and until so many seconds from now. Answers its path. */
  async crl(number: number, from: number, until: number): Promise<string> {
    const signer = await new SoftwareKeys(join(this.cwd, 'medium')).open('software:root-1')
    const root = this.certificate('first/root.pem')
    const now = wholeSecond(new SystemClock().now())
    const der = await createCrl(
      {
        issuer: root.subject,
        authorityKeyIdentifier: root.publicKey.keyIdentifier,
        signatureAlgorithm: signer.algorithm,
        entries: [],
        number: BigInt(number),
        thisUpdate: instant(now + from * SECOND),
        nextUpdate: instant(now + until * SECOND),
      },
      signer,
    )
    const name = `short-${String(number)}.pem`
    writeFileSync(join(this.cwd, name), toPem('X509 CRL', der))
    return name
  }

  /** A command of the person who administers this server. */
  writ(...args: readonly string[]): Promise<Ran> {
    return writ(args, { cwd: this.cwd, env: { WRIT_DATA: this.house.data } })
  }

  certificate(name: string): Certificate {
    return parseCertificate(fromPem('CERTIFICATE', readFileSync(join(this.cwd, name), 'utf8')))
  }

  async stop(): Promise<void> {
    await this.house.stop()
    rmSync(this.cwd, { recursive: true })
  }
}

async function holdCeremony(cwd: string, name: string, statusUrl: string, wishes: CeremonyWishes): Promise<void> {
  const { root = '{ key: root-1 }', issuing = '[]', crls, more = '' } = wishes
  const file = join(cwd, `${name}.yaml`)
  writeFileSync(
    file,
    `name: ${name}
trust_domain: example.org
status_url: ${statusUrl}
present: [{ name: Ada, role: administrator }, { name: Grace, role: witness }]
keys: { folder: medium }
root: ${root}
issuing: ${issuing}
crls: ${crls}
output: ${name}
${more}`,
  )
  await runCeremonyFile({ file, dryRun: false, version: '0.1.0', announce: () => undefined })
}

/** What the certificate names, as whoever is there answers. */
export async function crlOf(certificate: Certificate): Promise<Crl> {
  const [url = ''] = certificate.extension('crlDistributionPoints')?.uris ?? []
  const reply = await fetch(url)
  if (reply.status !== 200) throw new TypeError(`${url}: ${String(reply.status)}`)
  return parseCrl(new Uint8Array(await reply.arrayBuffer()))
}
