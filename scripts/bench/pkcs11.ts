/**
 * The last part of `npm run bench`, or by itself `node --conditions=writ-source scripts/bench/pkcs11.ts`: signatures a second through the server's pool, as a ratio to the module's
 * own ceiling, measured right before and right after with the same number of threads; and the p99 delay of the event
 * loop under that load. On SoftHSM, as it is and with the latency of a module that asks over a network.
 */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { FaultInjector } from '../../test/support/fault-injector.ts'
import { SoftHsm } from '../../test/support/softhsm.ts'

const BAR = 0.8
const MILLISECONDS = '3000'
const FLAGS = ['--conditions=writ-source', '--disable-warning=ExperimentalWarning']
const KEY = 'bench'

interface Round {
  readonly name: string
  readonly threads: number
  /** Milliseconds that a signature takes besides. */
  readonly latency: number
}

const ROUNDS: readonly Round[] = [
  { name: 'SoftHSM', threads: 1, latency: 0 },
  { name: 'SoftHSM, 2 ms away', threads: 4, latency: 2 },
  { name: 'SoftHSM, 5 ms away', threads: 16, latency: 5 },
]

interface Figure {
  readonly perSecond: number
  readonly loopP99?: number
}

function measure(file: string, args: readonly string[], environment: Readonly<Record<string, string>>): Figure {
  const script = fileURLToPath(new URL(file, import.meta.url))
  const ran = spawnSync(process.execPath, [...FLAGS, script, ...args], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...environment },
  })
  if (ran.status !== 0) throw new TypeError(`${file} ended with ${String(ran.status)}`)
  return JSON.parse(ran.stdout) as Figure
}

/** Whether every round reached the bar. */
export function benchPkcs11(): boolean {
  const hsm = new SoftHsm('bench')
  const faults = new FaultInjector()
  try {
    hsm.tool('--keypairgen', '--key-type', 'EC:prime256v1', '--label', KEY, '--id', '01')
    const environment = { ...hsm.environment, ...faults.environment }
    return ROUNDS.map(({ name, threads, latency }) => {
      faults.set('C_Sign', { delay: latency })
      const module = latency === 0 ? hsm.module : faults.module
      const args = [module, hsm.token.label, hsm.token.pinFile, KEY, String(threads), MILLISECONDS]
      const before = measure('pkcs11-ceiling.ts', args, environment)
      const pool = measure('pkcs11-pool.ts', args, environment)
      const after = measure('pkcs11-ceiling.ts', args, environment)
      const ceiling = (before.perSecond + after.perSecond) / 2
      const ratio = pool.perSecond / ceiling
      process.stdout.write(
        `pkcs11: ${name}, ${String(threads)} threads: module ${ceiling.toFixed(0)}/s, pool ${pool.perSecond.toFixed(0)}/s, ` +
          `ratio ${ratio.toFixed(3)} (${ratio >= BAR ? 'meets' : 'misses'} the bar of ${String(BAR)}), ` +
          `event loop p99 ${(pool.loopP99 ?? 0).toFixed(1)} ms\n`,
      )
      return ratio >= BAR
    }).every(Boolean)
  } finally {
    faults.remove()
    hsm.remove()
  }
}

if (import.meta.main) process.exitCode = benchPkcs11() ? 0 : 1
