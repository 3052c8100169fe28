import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { SoftwareKeys } from '#adapters/keys/software/index.ts'
import { openStore, type Store } from '#adapters/store/index.ts'
import { SystemClock, SystemRandom } from '#adapters/system/index.ts'
import { joinTokenAttestor } from '#attestation/index.ts'
import { leafMaker } from '#audit/index.ts'
import type { Caller } from '#authentication/index.ts'
import { bootstrapFirstAdmin } from '#flows/admin/bootstrap.ts'
import { addAgent } from '#flows/admin/agents.ts'
import { addResource } from '#flows/admin/resources.ts'
import { authenticate, type AuthenticatePorts } from '#flows/authenticate.ts'
import { ClockGuard } from '#flows/clock-guard.ts'
import type { EnrollPorts } from '#flows/enroll.ts'
import { initializeAuthorities } from '#flows/initialize-authorities.ts'
import type { AuthorityPorts } from '#flows/issuance-ports.ts'
import { reconcileIntents } from '#flows/reconcile-intents.ts'
import type { ExchangePorts } from '#flows/exchange-token.ts'
import { ProofNonces } from '#flows/proof-nonces.ts'
import { StatusIndexes } from '#flows/status-indexes.ts'
import { issuanceProfile } from '#issuance/index.ts'
import { isWritError } from '#kernel/errors.ts'
import { TrustDomain } from '#spiffe/index.ts'
import { storePassword } from '../store-password.ts'
import { crashingJournal, crashingKeys, CrashPoints, SignerLog, type CrashPoint } from './points.ts'
import { NO_USERS } from '../../fakes/users.ts'

export interface HouseOptions {
  readonly database: string
  /** Keys and the signer log lie here. */
  readonly folder: string
  readonly replica: string
  readonly point: CrashPoint | null
}

/** A server without its doors: the real store, keys and flows, with a journal and keys that can be made to crash. */
export interface House {
  readonly store: Store
  readonly points: CrashPoints
  readonly ports: AuthorityPorts & EnrollPorts & ExchangePorts & AuthenticatePorts & { readonly counters: Store }
  readonly admin: Caller
  readonly anonymous: Caller
  close(): Promise<void>
}

export const AUDIENCE = 'https://billing.example.org'
export const AGENT = 'invoice-bot'
export const PUBLIC_URL = 'https://id.example.org'
const UID = 1000

/** Starts as the server does: migrations, keys, authorities, intents that a crash left. */
export async function openHouse(options: HouseOptions): Promise<House> {
  const { database, folder, replica, point } = options
  mkdirSync(join(folder, 'keys'), { recursive: true, mode: 0o700 })
  const clock = new SystemClock()
  const random = new SystemRandom()
  const points = new CrashPoints(point)
  const log = new SignerLog(join(folder, 'signer.log'))
  const made = { replica, clock, random, makeLeaf: leafMaker(random), create: true }
  const store = await openStore(database, { ...made, ...storePassword() })
  const base = {
    reader: store,
    journal: crashingJournal(store, points),
    clock,
    random,
    keys: crashingKeys(new SoftwareKeys(join(folder, 'keys')), points, log),
    clockGuard: await ClockGuard.load({ clock, marks: store, replica }),
    profile: issuanceProfile({
      trustDomain: TrustDomain.parse('example.org'),
      serialPrefix: 1,
      publicUrl: PUBLIC_URL,
      statusUrl: 'http://status.example.org',
      crlShards: 2,
      serverNames: ['id.example.org'],
    }),
  }
  const authorities = await initializeAuthorities(base, { actor: 'system', options: { mode: 'self-rooted' } })
  await reconcileIntents(base, { startedAs: 1 })
  const ports = {
    ...base,
    authorities,
    attestors: [joinTokenAttestor({ findByHash: (hash) => store.find('JoinToken', { hash }) })],
    counters: store,
    firsts: store,
    statusIndexes: new StatusIndexes(store),
    users: NO_USERS,
    nonces: new ProofNonces({ reader: store, firsts: store, random }),
  }
  await unless('BOOTSTRAP_DONE', () => bootstrapFirstAdmin(base, { uid: UID, name: 'root' }))
  const admin = await authenticate(ports, { kind: 'unix', uid: UID })
  const anonymous = await authenticate(ports, { kind: 'tls', chain: [], address: '127.0.0.1' })
  await register(ports, admin)
  return { store, points, ports, admin, anonymous, close: () => closeAll(store, log) }
}

async function closeAll(store: Store, log: SignerLog): Promise<void> {
  await store.close()
  log.close()
}

async function register(ports: House['ports'], admin: Caller): Promise<void> {
  const resource = { audience: AUDIENCE, owner: 'billing', spiffeIds: [], actions: ['invoices:read'] }
  await unless('RESOURCE_AUDIENCE_TAKEN', () => addResource(ports, admin, resource))
  const permissions = [{ audience: AUDIENCE, actions: ['invoices:read'] }]
  await unless('AGENT_NAME_TAKEN', () => addAgent(ports, admin, { name: AGENT, owner: 'finance', permissions }))
}

/** What was there from an earlier run need not be made again. */
async function unless(code: string, make: () => Promise<unknown>): Promise<void> {
  try {
    await make()
  } catch (error) {
    if (!isWritError(error, code)) throw error
  }
}
