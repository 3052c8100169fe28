import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { SystemClock, SystemRandom } from '#adapters/system/index.ts'
import { bundleOf, pemKeyOf, withSession, type Identity, type TaskToken } from '#client/index.ts'
import { callPeer, type SoakAgent } from './agent.ts'
import type { Counters } from './counters.ts'
import type { Operator } from './operator.ts'
import { AUDIENCE } from './server.ts'
import { pause } from './traffic.ts'

const means = { clock: new SystemClock(), random: new SystemRandom() }

/** Longer than any call between getting a token and showing it. */
const IN_FLIGHT = 3_000

export interface Stage {
  readonly operator: Operator
  readonly agents: readonly SoakAgent[]
  readonly counters: Counters
  /** Whether agents renew on demand; else everybody is waited for. */
  readonly isHurried: boolean
  readonly said: (text: string) => void
}

/** One key of tokens: rotated, rolled back, rotated again; then the old one is tainted, and what it signed is tried. */
export async function rotateTokenKey(stage: Stage, kind: 'access-token' | 'jwt-svid'): Promise<void> {
  const { operator, agents, counters, said } = stage
  const [agent, peer] = agents
  if (agent === undefined || peer === undefined) return
  const old = await operator.active(kind)
  const next = await operator.published(kind)
  await operator.step(next, 'activate')
  said(`${kind}: activated`)
  await pause(IN_FLIGHT)
  await operator.step(next, 'rollback')
  said(`${kind}: rolled back`)
  await pause(IN_FLIGHT)
  const { token } = await agent.newToken()
  const { token: svid } = await agent.live.session.jwtSvid(AUDIENCE)
  await operator.step(next, 'activate')
  await pause(IN_FLIGHT)
  await operator.step(old, 'taint')
  await operator.adopted()
  await pause(IN_FLIGHT)
  said(`${kind}: the old one is tainted`)
  if (kind === 'access-token') await tryToken(counters, agent, { token, url: `${peer.url}/task` })
  else for (const { live } of agents) tryKey(counters, live.identity, kidOf(svid.reveal()))
}

/** The same for the issuing authority: also the server's certificate changes, and every agent's. */
export async function rotateIssuer(stage: Stage): Promise<void> {
  const { operator, agents, counters, said } = stage
  const old = await operator.active('x509')
  const stolen = agents.slice(0, 3).map(({ live }) => live.identity)
  const next = await operator.published('x509')
  await operator.step(next, 'activate')
  await left(stage, old)
  said('x509: activated, and everybody has left the old one')
  await operator.step(next, 'rollback')
  await left(stage, next)
  said('x509: rolled back, and everybody has left the new one')
  await operator.step(next, 'activate')
  await left(stage, old)
  await operator.step(old, 'taint')
  await operator.adopted()
  await pause(IN_FLIGHT)
  said('x509: the old one is tainted')
  for (const identity of stolen) await tryCertificate(counters, agents, identity)
}

async function left({ operator, agents, isHurried }: Stage, authority: string): Promise<void> {
  if (isHurried) await Promise.all(agents.map(({ live }) => live.renew()))
  await operator.abandoned(authority)
  // Connections that last were made with the certificate before.
  await pause(isHurried ? 12_000 : 15_000)
}

/** A task token that was killed: its task is called off. */
export async function tryDeadToken({ agents, counters }: Stage): Promise<void> {
  const [agent] = agents
  if (agent === undefined) return
  const { task, token } = await agent.newToken()
  await agent.live.session.revokeTask(task)
  counters.count('invalidTried')
  const { active } = await agent.live.session.introspect(token.token.reveal())
  if (active) counters.wrong('invalidAccepted', 'a token of a task that was called off')
}

async function tryToken(
  counters: Counters,
  agent: SoakAgent,
  { token, url }: { readonly token: TaskToken; readonly url: string },
): Promise<void> {
  counters.count('invalidTried')
  const answer = await agent.live.fetch(url, token)
  await answer.text()
  if (answer.status === 200) counters.wrong('invalidAccepted', 'a token of a tainted key')
}

function tryKey(counters: Counters, identity: Identity, kid: string): void {
  counters.count('invalidTried')
  if (bundleOf(identity).tokenAuthority('jwt-svid', kid) !== undefined) {
    counters.wrong('invalidAccepted', 'a tainted JWT-SVID key is in the bundle of an agent')
  }
}

function kidOf(token: string): string {
  const header = JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString()) as { kid?: string }
  return header.kid ?? ''
}

/** A certificate under the tainted authority: to a peer, to the server, and as the certificate of an impostor. */
async function tryCertificate(counters: Counters, agents: readonly SoakAgent[], stolen: Identity): Promise<void> {
  const [agent, peer] = agents.filter(({ live }) => live.identity.instance !== stolen.instance)
  if (agent === undefined || peer === undefined) return
  const attempts: readonly (readonly [string, () => Promise<boolean>])[] = [
    ['by a peer', () => isLetIn(agent, peer.url, stolen)],
    ['by the server', () => isServed({ ...stolen, bundleJson: agent.live.identity.bundleJson })],
    ['as a service', () => isCalled(agent, stolen)],
  ]
  for (const [where, accepted] of attempts) {
    counters.count('invalidTried')
    if (await accepted()) counters.wrong('invalidAccepted', `a certificate of a tainted authority, ${where}`)
  }
}

async function isLetIn(agent: SoakAgent, url: string, stolen: Identity): Promise<boolean> {
  const over = agent.connect(stolen)
  try {
    return (await callPeer(over, url)) === 200
  } finally {
    await over.close()
  }
}

async function isServed(stolen: Identity): Promise<boolean> {
  try {
    await withSession(stolen, means, (session) => session.listTasks())
    return true
  } catch {
    return false
  }
}

async function isCalled(agent: SoakAgent, stolen: Identity): Promise<boolean> {
  const impostor = createServer({ cert: stolen.chainPem, key: pemKeyOf(stolen).reveal() }, (_incoming, response) =>
    response.end(),
  )
  await new Promise<void>((resolve) => impostor.listen(0, '127.0.0.1', resolve))
  const over = agent.connect()
  try {
    return (await callPeer(over, `https://127.0.0.1:${String((impostor.address() as AddressInfo).port)}`)) === 200
  } catch {
    return false
  } finally {
    await over.close()
    impostor.closeAllConnections()
    await new Promise((resolve) => impostor.close(resolve))
  }
}
