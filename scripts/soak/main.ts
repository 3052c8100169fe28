/**
 * `npm run soak [-- --minutes 10 --agents 50 --workers 2 --mode rooted|self-rooted --database sqlite|postgresql
 * --replicas 1|2 --hurried --json]`: one real server, or two on one PostgreSQL with agents on both, and agents that talk to one another over mTLS and to services with task tokens, while the
 * issuing authority, the root (in rooted mode) and the keys of access tokens and JWT-SVIDs are each rotated, rolled back
 * and tainted over the admin API. Exit code 1 unless no handshake and no call failed, no valid token was refused and
 * nothing invalid was accepted. It lasts as long as the rotations take, and at least `--minutes`.
 */
import { parseArgs } from 'node:util'
import { soak, type SoakReport } from './soak.ts'

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    agents: { type: 'string', default: '50' },
    workers: { type: 'string', default: '2' },
    mode: { type: 'string', default: 'rooted' },
    database: { type: 'string', default: 'sqlite' },
    replicas: { type: 'string' },
    hurried: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
})

const started = performance.now()

/** With `--json` the report alone is on standard output. */
function said(text: string): void {
  const elapsed = ((performance.now() - started) / 1000).toFixed(0).padStart(4)
  ;(values.json ? process.stderr : process.stdout).write(`${elapsed} s  ${text}\n`)
}

function print(report: SoakReport): void {
  const { steps, coverage, figures, refusals, excuses, lastExcuse, examples, clean, pulse } = report
  const { mode, agents, replicas, seconds } = report
  const lines = [
    `\n${String(agents)} agents, ${mode}, servers: ${String(replicas)}, ${seconds.toFixed(0)} s`,
    ...steps.map(({ name, took }) => `${(took / 1000).toFixed(1).padStart(8)} s  ${name}`),
    ...Object.entries({ ...figures }).map(([name, value]) => `${String(value).padStart(8)}  ${name}`),
    '\nwhat was done with each kind of key:',
    ...Object.entries(coverage).map(([kind, done]) => `${kind.padStart(14)}  ${done}`),
    '\nwhat was dead, and what was said to it:',
    ...Object.entries(refusals).map(([name, count]) => `${String(count).padStart(8)}  ${name}`),
    `\nrefused because its key had been tainted a moment before, the last ${String(lastExcuse)} ms after the answer:`,
    ...Object.entries(excuses).map(([name, count]) => `${String(count).padStart(8)}  ${name}`),
    `\nthe longest stall: ${String(pulse.longestStall)} ms; the longest answer: ${String(pulse.longestAnswer)} ms`,
    ...(clean ? [] : pulse.notes),
    ...(examples.length === 0 ? [] : ['\nwhat must not have happened:', ...examples]),
    clean ? '\nclean' : '\nNOT clean',
  ]
  process.stdout.write(`${lines.join('\n')}\n`)
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))

const provider = values.database === 'postgresql' ? 'postgresql' : 'sqlite'
const report = await soak({
  minutes: Number(values.minutes),
  agents: Number(values.agents),
  workers: Number(values.workers),
  provider,
  replicas: (values.replicas ?? (provider === 'postgresql' ? '2' : '1')) === '2' ? 2 : 1,
  mode: values.mode === 'self-rooted' ? 'self-rooted' : 'rooted',
  isHurried: values.hurried,
  said,
})
if (values.json) process.stdout.write(`${JSON.stringify(report)}\n`)
else print(report)
process.exitCode = report.clean ? 0 : 1
