/**
 * `npm run bench [-- --database sqlite|postgresql] [--only load|pkcs11|refusals|crl|latency|revocation]`: renewals and
 * exchanges a second of one server on one core, stored and audited with fsync on, over mTLS keep-alive with 64 clients on
 * the other core; as a ratio to what that core can do of the bare cryptography (verify, sign, verify), measured right
 * before and right after in the same run. Then what it costs to refuse an enrollment, for how long a long CRL holds others
 * up, how long it takes from a revocation until everybody refuses, and what one revocation and one start cost where a
 * million were revoked.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { initServer } from '#server/index.ts'
import { createDatabase, type Provider } from '../../test/support/databases.ts'
import { storePassword } from '../../test/support/store-password.ts'
import { benchPkcs11 } from './pkcs11.ts'

const CLIENTS = 64
const BAR = 0.25
const AUDIENCE = 'https://bench.example.org'
const FLAGS = ['--conditions=writ-source', '--disable-warning=ExperimentalWarning']
const here = (file: string): string => fileURLToPath(new URL(file, import.meta.url))
const { values } = parseArgs({
  options: { database: { type: 'string' }, profile: { type: 'string' }, only: { type: 'string' } },
})

interface Figure {
  readonly perSecond: number
  readonly p50?: number
  readonly p99?: number
  /** Milliseconds of processor time for each. */
  readonly processor: number
  readonly load?: number
}

/** On one core, or wherever the system likes where there is no taskset. */
function pinned(core: number, args: readonly string[]): [string, readonly string[]] {
  const has = spawnSync('taskset', ['--version']).status === 0
  return has ? ['taskset', ['-c', String(core), process.execPath, ...args]] : [process.execPath, args]
}

async function output(core: number, args: readonly string[]): Promise<string> {
  const [command, all] = pinned(core, [...FLAGS, ...args])
  const child = spawn(command, all, { stdio: ['ignore', 'pipe', 'inherit'] })
  let text = ''
  child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()))
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve))
  if (code !== 0) throw new TypeError(`${args[0] ?? ''} ended with ${String(code)}`)
  return text
}

async function rawLimit(): Promise<Figure> {
  return JSON.parse(await output(0, [here('raw.ts')])) as Figure
}

async function admin(data: string, path: string, body: object): Promise<Record<string, unknown>> {
  return new Promise((resolve, reject) => {
    const options = {
      socketPath: join(data, 'admin.sock'),
      path,
      method: 'POST',
      headers: { 'content-type': 'application/json' },
    }
    const call = request(options, (response) => {
      let text = ''
      response.on('data', (chunk: Buffer) => (text += chunk.toString()))
      response.on('end', () => {
        resolve(JSON.parse(text) as Record<string, unknown>)
      })
    })
    call.once('error', reject)
    call.end(JSON.stringify(body))
  })
}

interface Running {
  readonly child: ChildProcess
  readonly origin: string
}

async function serve(data: string): Promise<Running> {
  const profile = values.profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${values.profile}`]
  const [command, args] = pinned(0, [
    ...FLAGS,
    ...profile,
    here('../../src/cli/main.ts'),
    'server',
    'run',
    '--json',
    '--data',
    data,
  ])
  const env = { ...process.env, WRIT_LOG_LEVEL: 'error' }
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'], env })
  const ready = await new Promise<string>((resolve, reject) => {
    child.stdout.once('data', (chunk: Buffer) => {
      resolve(chunk.toString())
    })
    child.once('exit', () => {
      reject(new TypeError('the server did not start'))
    })
  })
  const { ready: addresses } = JSON.parse(ready) as { ready: { https: string } }
  return { child, origin: `https://localhost:${new URL(addresses.https).port}` }
}

async function prepare(data: string): Promise<void> {
  await admin(data, '/v1/resources', { audience: AUDIENCE, owner: 'bench', spiffe_ids: [], actions: ['read'] })
  await admin(data, '/v1/agents', {
    name: 'bench',
    owner: 'bench',
    permissions: [{ audience: AUDIENCE, actions: ['read'] }],
  })
  const tokens: string[] = []
  for (let number = 0; number < CLIENTS; number++) {
    tokens.push(String((await admin(data, '/v1/join-tokens', { agent: 'bench' }))['token']))
  }
  writeFileSync(join(data, 'join-tokens'), tokens.join('\n'), { mode: 0o600 })
}

function memory(child: ChildProcess): number {
  const status = readFileSync(`/proc/${String(child.pid)}/status`, 'utf8')
  return Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024)
}

async function bench(provider: Provider): Promise<boolean> {
  const folder = mkdtempSync(join(tmpdir(), 'writ-bench-'))
  const data = join(folder, 'data')
  const database = await createDatabase(provider, folder)
  const { passwordFile } = storePassword()
  const password = passwordFile === undefined ? {} : { password_file: passwordFile }
  const url = provider === 'sqlite' ? {} : { database: { url: database.url, ...password } }
  const off = '127.0.0.1:0'
  const listen = { https: off, status: null, health: null }
  const values = { trust_domain: 'bench.example', public_url: 'https://localhost', listen, ...url }
  await initServer({ data, values, admin: { uid: process.getuid?.() ?? 0, name: 'bench' } })
  const { child, origin } = await serve(data)
  try {
    await prepare(data)
    const idle = memory(child)
    const before = await rawLimit()
    const figures = JSON.parse(await output(1, [here('load.ts'), origin, data, AUDIENCE, String(child.pid)])) as Record<
      string,
      Figure
    >
    const after = await rawLimit()
    return print(provider, figures, { raw: [before, after], idle, loaded: memory(child) })
  } finally {
    child.kill('SIGTERM')
    await new Promise((resolve) => child.once('exit', resolve))
    await database.drop()
    rmSync(folder, { recursive: true, force: true })
  }
}

interface Measured {
  /** Before and after. */
  readonly raw: readonly Figure[]
  /** MB. */
  readonly idle: number
  readonly loaded: number
}

function print(
  provider: Provider,
  figures: Readonly<Record<string, Figure>>,
  { raw, idle, loaded }: Measured,
): boolean {
  const mean = (of: (figure: Figure) => number): number => raw.reduce((sum, one) => sum + of(one), 0) / raw.length
  const limit = mean(({ perSecond }) => perSecond)
  const bare = mean(({ processor }) => processor)
  process.stdout.write(
    `${provider}: raw limit of the core ${limit.toFixed(0)}/s (verify, sign, verify); memory ${String(idle)} MB idle, ${String(loaded)} MB after the load\n`,
  )
  const ratios = Object.entries(figures).map(([name, { perSecond, p50 = 0, p99 = 0, processor, load = 0 }]) => {
    const ratio = perSecond / limit
    const verdict = ratio >= BAR ? 'meets' : 'misses'
    process.stdout.write(
      `  ${name.padEnd(9)} ${perSecond.toFixed(0).padStart(6)}/s  ratio ${ratio.toFixed(3)} (${verdict} the bar of ${String(BAR)})  p50 ${p50.toFixed(1)} ms  p99 ${p99.toFixed(1)} ms  processor ${processor.toFixed(2)} ms each, by which ${(bare / processor).toFixed(3)}; load ${load.toFixed(2)} of its core\n`,
    )
    return ratio
  })
  return ratios.every((ratio) => ratio >= BAR)
}

const providers = values.database === undefined ? (['sqlite', 'postgresql'] as const) : [values.database as Provider]
const which = values.database === undefined ? [] : ['--database', values.database]

const script = (file: string, ...args: string[]): boolean =>
  spawnSync(process.execPath, [...FLAGS, here(file), ...args], { stdio: 'inherit' }).status === 0

/** In the order in which they run. Each answers whether it met its bars. */
const PARTS: Readonly<Record<string, () => boolean | Promise<boolean>>> = {
  load: async () => {
    const met: boolean[] = []
    for (const provider of providers) met.push(await bench(provider))
    return met.every(Boolean)
  },
  pkcs11: benchPkcs11,
  refusals: () => script('refusals.ts'),
  crl: () => script('crl.ts'),
  latency: () => script('latency.ts', ...which),
  revocation: () => script('revocation.ts', ...which),
}

/** All of them; without the one that has no database where one was named. */
function chosen(): readonly string[] {
  if (values.only === undefined) {
    return Object.keys(PARTS).filter((part) => part !== 'pkcs11' || values.database === undefined)
  }
  if (!(values.only in PARTS)) throw new TypeError(`--only is one of ${Object.keys(PARTS).join(', ')}`)
  return [values.only]
}

let met = true
for (const part of chosen()) met = ((await PARTS[part]?.()) ?? false) && met
process.exitCode = met ? 0 : 1
