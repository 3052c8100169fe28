import { joinTokenAttestor } from '#attestation/index.ts'
import type { Caller, Peer, Role } from '#authentication/index.ts'
import { addAgent } from '#flows/admin/agents.ts'
import { bootstrapFirstAdmin } from '#flows/admin/bootstrap.ts'
import { addPrincipal } from '#flows/admin/principals.ts'
import { addJoinToken } from '#flows/admin/join-tokens.ts'
import { authenticate } from '#flows/authenticate.ts'
import { enroll, type EnrollPorts } from '#flows/enroll.ts'
import type { SvidAnswer } from '#flows/svid-answer.ts'
import type { Bytes } from '#kernel/bytes.ts'
import { toBase64 } from '#kernel/bytes.ts'
import type { AgentRecord, AgentRequest } from '#registry/index.ts'
import { createCsr } from '#x509/index.ts'
import { newTrustDomain, type TestTrustDomain, type TestTrustDomainOptions } from './trust-domain.ts'
import { newKeyPair, type KeyPair } from './x509.ts'

const ADMIN_UID = 1000

/** A trust domain with its first admin, in which every story of enrollment can be told. */
export interface World extends TestTrustDomain {
  readonly enrolling: EnrollPorts
  readonly admin: Caller
  readonly anonymous: Caller
}

export async function newWorld(options: TestTrustDomainOptions = {}): Promise<World> {
  const domain = await newTrustDomain(options)
  const { store, ports } = domain
  await bootstrapFirstAdmin(ports, { uid: ADMIN_UID, name: 'operator' })
  const tokens = { findByHash: (hash: string) => store.find('JoinToken', { hash }) }
  return {
    ...domain,
    enrolling: { ...ports, attestors: [joinTokenAttestor(tokens)] },
    admin: await authenticate(ports, { kind: 'unix', uid: ADMIN_UID }),
    anonymous: await authenticate(ports, { kind: 'tls', chain: [], address: '192.0.2.1' }),
  }
}

let uids = 2000

/** Another user of the machine, with these roles. */
export async function callerWith(world: World, ...roles: readonly Role[]): Promise<Caller> {
  const uid = uids++
  await addPrincipal(world.ports, world.admin, { subject: `local:${String(uid)}`, name: roles.join(' '), roles })
  return authenticate(world.ports, { kind: 'unix', uid })
}

export async function csrOf(key: KeyPair): Promise<string> {
  return toBase64(await createCsr(key.signer))
}

export function newAgent(world: World, request: Partial<AgentRequest> = {}): Promise<AgentRecord> {
  return addAgent(world.ports, world.admin, { name: 'invoice-bot', owner: 'billing team', ...request })
}

export async function newToken(world: World, agent = 'invoice-bot'): Promise<string> {
  const { token } = await addJoinToken(world.ports, world.admin, { agent })
  return token.reveal()
}

/** What is asked of `enroll` with a join token. */
export function joinWith(token: string, csr: string, agent?: string) {
  return { attestor: 'join_token', evidence: { token }, csr, agent }
}

export interface Enrolled {
  readonly answer: SvidAnswer
  readonly key: KeyPair
  readonly token: string
  readonly csr: string
  /** The TLS peer that presents the certificate. */
  readonly peer: Peer
}

export async function enrollNew(world: World, agent = 'invoice-bot', key = newKeyPair()): Promise<Enrolled> {
  const token = await newToken(world, agent)
  const csr = await csrOf(key)
  const answer = await enroll(world.enrolling, world.anonymous, joinWith(token, csr))
  return { answer, key, token, csr, peer: peerWith(answer.svid.certificate) }
}

export function peerWith(...chain: readonly Bytes[]): Peer {
  return { kind: 'tls', chain, address: '192.0.2.1' }
}

/** Type, decision and object of the leaves that were written since, as `type decision`. */
export function trail(world: World, since: number): readonly string[] {
  return world.store.leaves.slice(since).map(({ draft, bytes }) => {
    const { decision } = JSON.parse(Buffer.from(bytes).toString()) as { decision: string }
    return `${draft.type} ${decision}`
  })
}
