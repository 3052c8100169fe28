/**
 * A part of `npm run bench`, or by itself `node --conditions=writ-source scripts/bench/latency.ts [--database
 * sqlite|postgresql] [--revocations N] [--crl-revocations N]`: how long it takes from the acknowledgement of a revocation
 * until everybody refuses. On PostgreSQL two servers share the database; it is revoked at the one, and all but the
 * first are asked at the other. On SQLite there is one server. Servers are processes of their own; this one asks.
 */
import { parseArgs } from 'node:util'
import { SystemClock } from '#adapters/system/index.ts'
import { certificatesOf, enroll, trustOfJoinToken, type Identity } from '#client/index.ts'
import { Secret } from '#kernel/secret.ts'
import { parseJoinToken } from '#wire/index.ts'
import type { Provider } from '../../test/support/databases.ts'
import { enrollAt, LiveReceiver } from '../../test/support/live-receiver.ts'
import { closeProbes, Connection, crlProbes, ocspProbe, untilRefused } from './probes.ts'
import { ISSUER, Replicas, type Replica } from './replicas.ts'

const AUDIENCE = 'https://bench.example.org'
const TRUST_DOMAIN = 'bench.example'
const WARM_REQUESTS = 3

/** DESIGN.md promise 6, in milliseconds; on the same server it must be the very next request. */
const BARS = {
  'same server, next request': Number.POSITIVE_INFINITY,
  'another server': 250,
  'receiver on the feed': 1000,
  OCSP: 1000,
  'CRL of its shard': 60_000,
  'complete CRL': 60_000,
} as const
type What = keyof typeof BARS

const clock = new SystemClock()
const { values } = parseArgs({
  options: {
    database: { type: 'string' },
    revocations: { type: 'string', default: '100' },
    'crl-revocations': { type: 'string', default: '20' },
  },
})

/** Where is revoked, and where is asked. */
interface Scene {
  readonly replicas: Replicas
  readonly here: Replica
  /** The same where there is one only. */
  readonly there: Replica
  readonly receiver: LiveReceiver
}

class Figures {
  readonly #samples = new Map<What, number[]>()
  /** Requests after the acknowledgement that the same server let in. */
  letIn = 0

  add(what: What, sample: number): void {
    this.#samples.set(what, [...(this.#samples.get(what) ?? []), sample])
  }

  /** Prints all; answers whether every bar is met. */
  print(): boolean {
    const asked = (Object.keys(BARS) as What[]).filter((what) => this.#samples.has(what))
    return asked.map((what) => this.#line(what, this.#samples.get(what) ?? [])).every(Boolean)
  }

  #line(what: What, samples: readonly number[]): boolean {
    const sorted = samples.toSorted((one, other) => one - other)
    const at = (share: number): number => sorted[Math.min(Math.floor(sorted.length * share), sorted.length - 1)] ?? NaN
    const bar = BARS[what]
    const isMet = Number.isFinite(bar) ? at(0.99) <= bar : this.letIn === 0
    const wanted = Number.isFinite(bar) ? `p99 of ${String(bar)} ms` : `next request, let in ${String(this.letIn)}`
    const times = `median ${at(0.5).toFixed(1).padStart(8)} ms  p99 ${at(0.99).toFixed(1).padStart(8)} ms`
    const said = `${isMet ? 'meets' : 'MISSES'} the bar: ${wanted}; ${String(sorted.length)} revocations`
    process.stdout.write(`  ${what.padEnd(26)} ${times}  ${said}\n`)
    return isMet
  }
}

async function stage(provider: Provider): Promise<Scene> {
  const replicas = await Replicas.start(provider, provider === 'sqlite' ? 1 : 2)
  const [here, there = here] = replicas.all
  if (here === undefined || there === undefined) throw new TypeError('no server')
  const id = `spiffe://${TRUST_DOMAIN}/agent/receiver`
  await replicas.admin('/v1/resources', { audience: AUDIENCE, owner: 'bench', spiffe_ids: [id], actions: ['read'] })
  await replicas.admin('/v1/agents', { name: 'receiver', owner: 'bench' })
  const permissions = [{ audience: AUDIENCE, actions: ['read'] }]
  await replicas.admin('/v1/agents', { name: 'bot', owner: 'bench', permissions })
  const home = { origin: there.origin, issuer: ISSUER, joinToken: (agent: string) => replicas.joinToken(agent) }
  const receiver = new LiveReceiver(await enrollAt(home, 'receiver'), { audience: AUDIENCE, issuer: ISSUER })
  return { replicas, here, there, receiver: await receiver.start() }
}

async function newIdentity({ replicas, here }: Scene): Promise<Identity> {
  const text = await replicas.joinToken('bot')
  return enroll({
    server: here.origin,
    trust: trustOfJoinToken(parseJoinToken(text)),
    evidence: { attestor: 'join_token', token: new Secret(text) },
    clock,
  })
}

/** Resolves when it is acknowledged, to that moment. */
async function revoke({ replicas }: Scene, { spiffeId }: Identity): Promise<number> {
  const value = spiffeId.path.split('/').at(-1) ?? ''
  await replicas.admin('/v1/revocations', { handle: 'instance', value, reason: 'unspecified' })
  return performance.now()
}

/** One revocation, and everybody who has to refuse by then but the CRLs. */
async function measureOne(scene: Scene, figures: Figures): Promise<void> {
  const { here, there, receiver } = scene
  const identity = await newIdentity(scene)
  const [same, other] = [new Connection(identity, here.origin, clock), new Connection(identity, there.origin, clock)]
  const chain = certificatesOf(identity.chainPem).map(({ der }) => der)
  const isUnwelcome = (): boolean => receiver.ofCertificate({ chain }) !== 'ACCEPTED'
  const ocsp = ocspProbe(identity, there.status)
  for (let count = 0; count < WARM_REQUESTS; count++) {
    const refused = [await same.isRefused(), await other.isRefused(), await ocsp(), isUnwelcome()]
    if (refused.includes(true)) throw new TypeError('refused too early')
  }
  const since = await revoke(scene, identity)
  const again = async (): Promise<boolean> => {
    const isRefused = await same.isRefused()
    if (!isRefused) figures.letIn++
    return isRefused
  }
  await Promise.all([
    untilRefused(again, since, 1).then((time) => {
      figures.add('same server, next request', time)
    }),
    here === there
      ? null
      : untilRefused(other.isRefused, since, 1).then((time) => {
          figures.add('another server', time)
        }),
    untilRefused(isUnwelcome, since, 1).then((time) => {
      figures.add('receiver on the feed', time)
    }),
    untilRefused(ocsp, since, 5).then((time) => {
      figures.add('OCSP', time)
    }),
  ])
  await Promise.all([same.close(), other.close()])
}

/** CRLs are published in rounds, so these are revoked one after the other without waiting. */
async function measureCrls(scene: Scene, count: number, figures: Figures): Promise<void> {
  const waiting: Promise<void>[] = []
  for (let number = 0; number < count; number++) {
    const identity = await newIdentity(scene)
    const since = await revoke(scene, identity)
    const { shard, complete } = crlProbes(identity, scene.there.status)
    waiting.push(
      untilRefused(shard, since, 100).then((time) => {
        figures.add('CRL of its shard', time)
      }),
      untilRefused(complete, since, 100).then((time) => {
        figures.add('complete CRL', time)
      }),
    )
    await new Promise((resolve) => setTimeout(resolve, 250))
  }
  await Promise.all(waiting)
}

async function measure(provider: Provider): Promise<boolean> {
  const scene = await stage(provider)
  try {
    const where = provider === 'sqlite' ? 'one server' : 'revoked at one server, asked at another'
    process.stdout.write(`${provider}, ${where}: from the acknowledgement of a revocation to the first refusal\n`)
    const figures = new Figures()
    for (let count = 0; count < Number(values.revocations); count++) await measureOne(scene, figures)
    await measureCrls(scene, Number(values['crl-revocations']), figures)
    return figures.print()
  } finally {
    await scene.receiver.close()
    await scene.replicas.stop()
  }
}

const providers = values.database === undefined ? (['sqlite', 'postgresql'] as const) : [values.database as Provider]
const results: boolean[] = []
for (const provider of providers) results.push(await measure(provider))
await closeProbes()
process.exitCode = results.every(Boolean) ? 0 : 1
