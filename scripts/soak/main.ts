/**
 * `npm run soak [-- --minutes 10 --agents 50 --database sqlite|postgresql --hurried]`: one real server, agents that talk
 * to one another over mTLS and to services with task tokens, while the keys of access tokens and JWT-SVIDs and the
 * issuing authority are each rotated, rolled back once and tainted once. Exit code 1 unless no handshake failed, no valid
 * token was refused and nothing invalid was accepted. It lasts as long as the rotations take, and at least `--minutes`;
 * `--hurried` has agents renew when they are told, where otherwise everybody is waited for.
 */
import { parseArgs } from 'node:util'
import { soak } from './soak.ts'

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    agents: { type: 'string', default: '50' },
    database: { type: 'string', default: 'sqlite' },
    hurried: { type: 'boolean', default: false },
  },
})

const started = performance.now()
const elapsed = (): string => `${((performance.now() - started) / 1000).toFixed(0).padStart(4)} s`

const counters = await soak({
  minutes: Number(values.minutes),
  agents: Number(values.agents),
  provider: values.database === 'postgresql' ? 'postgresql' : 'sqlite',
  isHurried: values.hurried,
  said: (text) => process.stdout.write(`${elapsed()}  ${text}\n`),
})
process.stdout.write(`${elapsed()}  ${JSON.stringify(counters.figures)}\n`)
for (const example of counters.examples) process.stdout.write(`  ${example}\n`)
process.exitCode = counters.isClean ? 0 : 1
