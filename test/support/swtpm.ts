import { execFile } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { run, type Ran } from './run.ts'

const SCRIPT = fileURLToPath(new URL('../../hsm/swtpm', import.meta.url))
const execute = promisify(execFile)

export interface SwtpmOptions {
  /** `unix` (a socket in the folder) or `tcp` (a free loopback port). */
  readonly transport?: 'unix' | 'tcp'
  /** Also an endorsement key on P-256, at 0x81010002 with its certificate in NV 0x1c0000a. */
  readonly p256?: boolean
}

export type SwtpmAddress =
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }

export type EndorsementKey = 'rsa2048' | 'p384' | 'p256'

/**
 * A software TPM of a test file: `beforeAll(async () => { tpm = await Swtpm.start() })`, `afterAll(() => tpm.stop())`.
 * It takes one client at a time, and has room for three loaded objects: flush what is loaded, close before tools run.
 */
export class Swtpm {
  readonly folder: string
  readonly #port: number | undefined

  private constructor(folder: string, port: number | undefined) {
    this.folder = folder
    this.#port = port
  }

  static async start(options: SwtpmOptions = {}): Promise<Swtpm> {
    const folder = await mkdtemp(join(tmpdir(), 'writ-tpm-'))
    await execute(SCRIPT, ['create', folder, ...(options.p256 === true ? ['--p256'] : [])])
    const tpm = new Swtpm(folder, options.transport === 'tcp' ? await twoFreePorts() : undefined)
    await tpm.powerOn()
    return tpm
  }

  get address(): SwtpmAddress {
    if (this.#port !== undefined) return { kind: 'tcp', host: '127.0.0.1', port: this.#port }
    return { kind: 'unix', path: join(this.folder, 'tpm.sock') }
  }

  /** What `TPM2TOOLS_TCTI` is to be for tpm2-tools. */
  get tcti(): string {
    return this.#port === undefined
      ? `swtpm:path=${this.folder}/tpm.sock`
      : `swtpm:host=127.0.0.1,port=${String(this.#port)}`
  }

  /** Runs one of the tpm2-tools against it; throws when the tool fails. */
  tool(program: string, args: readonly string[], cwd = this.folder): Ran {
    const ran = run(program, args, { cwd, env: { TPM2TOOLS_TCTI: this.tcti } })
    if (ran.status !== 0) throw new TypeError(`${program} ${args.join(' ')}: ${ran.stderr}`)
    return ran
  }

  /** The same state again, as after a reboot: loaded objects are gone, persistent ones stay. */
  async powerOn(): Promise<void> {
    await execute(SCRIPT, ['start', this.folder, ...(this.#port === undefined ? [] : ['--tcp', String(this.#port)])])
  }

  /** Stops it by TPM2_Shutdown and keeps its state. */
  async powerOff(): Promise<void> {
    await execute(SCRIPT, ['stop', this.folder])
  }

  /** Stops it and deletes its folder. */
  async stop(): Promise<void> {
    await this.powerOff()
    await rm(this.folder, { recursive: true, force: true })
  }

  async manufacturerRoot(): Promise<string> {
    return readFile(join(this.folder, 'manufacturer-root.pem'), 'utf8')
  }

  async manufacturerIntermediate(): Promise<string> {
    return readFile(join(this.folder, 'manufacturer-issuer.pem'), 'utf8')
  }

  async endorsementCertificate(key: EndorsementKey): Promise<string> {
    return readFile(join(this.folder, 'certs', `ek-${key}.pem`), 'utf8')
  }

  async endorsementKeys(): Promise<readonly string[]> {
    const names = await readdir(join(this.folder, 'certs'))
    return names.map((name) => name.replace(/^ek-|\.pem$/g, '')).sort()
  }
}

async function twoFreePorts(): Promise<number> {
  for (;;) {
    const port = await freePort(0)
    if (port !== undefined && (await freePort(port + 1)) !== undefined) return port
  }
}

async function freePort(wanted: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => {
      resolve(undefined)
    })
    server.listen(wanted, '127.0.0.1', () => {
      const address = server.address()
      const port = typeof address === 'object' && address !== null ? address.port : undefined
      server.close(() => {
        resolve(port)
      })
    })
  })
}
