/**
 * The clients of the bench, in a process of their own: 64 instances over mTLS keep-alive, one request at a time each.
 * Arguments: origin, folder with the join tokens, audience. Prints requests a second and latencies as JSON.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Client } from 'undici'
import { SystemClock, SystemRandom } from '#adapters/system/index.ts'
import {
  enroll,
  parseJoinToken,
  pemKeyOf,
  signerOf,
  trustOfJoinToken,
  withSession,
  type Identity,
} from '#client/index.ts'
import { Secret } from '#kernel/secret.ts'
import { ACCESS_TOKEN_TYPE, TOKEN_EXCHANGE_GRANT } from '#wire/index.ts'
import { createCsr, toPem } from '#x509/index.ts'

const [origin = '', folder = '', audience = '', server = ''] = process.argv.slice(2)
/** Until both are over nothing is measured: what is compiled while it runs is slow at first, and stays so for no server. */
const WARM_UP = 1_500
const WARM_REQUESTS = 4_000
const MEASURED = 5_000
const clock = new SystemClock()

interface Member {
  readonly identity: Identity
  readonly connection: Client
  readonly token: string
}

async function joined(text: string): Promise<Member> {
  const evidence = { attestor: 'join_token' as const, token: new Secret(text) }
  const identity = await enroll({ server: origin, trust: trustOfJoinToken(parseJoinToken(text)), evidence, clock })
  const token = await withSession(identity, { clock, random: new SystemRandom() }, async (session) => {
    const authority = [{ type: 'task' as const, resource: audience, actions: ['read'] }]
    const task = await session.openTask({ authority, maxDerivations: 1_000_000 })
    return session.exchange({ task: task.id, resource: audience })
  })
  // The server was verified a moment ago; what is measured is the server, not our path builder.
  const connect = { cert: identity.chainPem, key: pemKeyOf(identity).reveal(), rejectUnauthorized: false }
  return { identity, connection: new Client(origin, { connect }), token: token.token.reveal() }
}

type Work = (member: Member) => Promise<{ readonly path: string; readonly type: string; readonly body: string }>

const renew: Work = async ({ identity }) => {
  const csr = toPem('CERTIFICATE REQUEST', await createCsr(signerOf(identity.key)))
  return { path: '/v1/renew', type: 'application/json', body: JSON.stringify({ csr }) }
}

const exchange: Work = ({ identity, token }) => {
  const form = {
    grant_type: TOKEN_EXCHANGE_GRANT,
    client_id: identity.spiffeId.toString(),
    subject_token: token,
    subject_token_type: ACCESS_TOKEN_TYPE,
    resource: audience,
  }
  const body = new URLSearchParams(form).toString()
  return Promise.resolve({ path: '/oauth2/token', type: 'application/x-www-form-urlencoded', body })
}

async function ask(member: Member, work: Work): Promise<void> {
  const { path, type, body } = await work(member)
  const answer = await member.connection.request({ path, method: 'POST', headers: { 'content-type': type }, body })
  const text = await answer.body.text()
  if (answer.statusCode >= 300)
    throw new TypeError(`${path} answered ${String(answer.statusCode)}: ${text.slice(0, 200)}`)
}

/** Seconds of processor time that a process has used, user and system; the clock of /proc ticks 100 times a second. */
function processorTime(pid: string): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
  return (Number(fields[11]) + Number(fields[12])) / 100
}

interface Figure {
  readonly perSecond: number
  /** Milliseconds. */
  readonly p50: number
  readonly p99: number
  /** Of the server, in milliseconds for each request. */
  readonly processor: number
  /** Share of a core that the load itself took: near 1, it is the load that is measured. */
  readonly load: number
}

async function measure(members: readonly Member[], work: Work): Promise<Figure> {
  const begun = performance.now()
  const latencies: number[] = []
  let [asked, measuredFrom, used, own] = [0, 0, 0, 0]
  const loop = async (member: Member): Promise<void> => {
    for (;;) {
      const start = performance.now()
      if (measuredFrom === 0 && asked >= WARM_REQUESTS && start - begun >= WARM_UP) {
        measuredFrom = start
        used = processorTime(server)
        own = processorTime('self')
      }
      if (measuredFrom !== 0 && start - measuredFrom > MEASURED) return
      asked++
      await ask(member, work)
      if (measuredFrom !== 0 && start >= measuredFrom) latencies.push(performance.now() - start)
    }
  }
  await Promise.all(members.map(loop))
  used = processorTime(server) - used
  own = processorTime('self') - own
  latencies.sort((left, right) => left - right)
  const at = (share: number): number => latencies[Math.floor(latencies.length * share)] ?? 0
  return {
    perSecond: latencies.length / (MEASURED / 1000),
    p50: at(0.5),
    p99: at(0.99),
    processor: (used * 1000) / latencies.length,
    load: own / (MEASURED / 1000),
  }
}

const tokens = readFileSync(join(folder, 'join-tokens'), 'utf8').trim().split('\n')
const members: Member[] = []
for (const token of tokens) members.push(await joined(token))
const figures = { renew: await measure(members, renew), exchange: await measure(members, exchange) }
await Promise.all(members.map(({ connection }) => connection.close()))
process.stdout.write(JSON.stringify(figures))
