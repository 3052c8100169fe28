import type { KeyObserver } from '#adapters/keys/pkcs11/index.ts'
import { Outbound } from '#adapters/outbound/index.ts'
import { openStore, type Store } from '#adapters/store/index.ts'
import { SystemClock, SystemRandom } from '#adapters/system/index.ts'
import { leafMaker } from '#audit/index.ts'
import { AuthoritySet, CurrentAuthorities } from '#authority/index.ts'
import { CrlShelf } from '#flows/crl/crl-shelf.ts'
import { AdoptionReports } from '#flows/adoption-reports.ts'
import { ClockGuard } from '#flows/clock-guard.ts'
import type { EnrollSessionPorts } from '#flows/enroll-session.ts'
import type { AuthorityPorts } from '#flows/issuance-ports.ts'
import type { EventPush } from '#flows/ssf/ports.ts'
import { ProofNonces } from '#flows/proof-nonces.ts'
import { StatusIndexes } from '#flows/status-indexes.ts'
import { issuanceProfile, type IssuanceProfile } from '#issuance/index.ts'
import type { ApprovalRules } from '#policy/index.ts'
import { TrustDomain } from '#spiffe/index.ts'
import type { Users } from '#tasks/index.ts'
import { serverNames } from '../addresses.ts'
import { approvalRulesOf } from '../config/approvals.ts'
import type { Config } from '../config/load.ts'
import { attestorsOf, readProviders } from './attestors.ts'
import { ServerKeys } from './keys.ts'
import { eventPushOf } from './event-push.ts'
import { usersOf } from './users.ts'

/** Every port of every story, in one bundle that only this folder sees whole. */
export interface ServerPorts extends AuthorityPorts, EnrollSessionPorts {
  readonly authorities: CurrentAuthorities
  readonly keys: ServerKeys
  readonly store: Store
  readonly counters: Store
  readonly firsts: Store
  readonly statusIndexes: StatusIndexes
  readonly crlShelf: CrlShelf
  readonly nonces: ProofNonces
  readonly adoption: AdoptionReports
  readonly users: Users
  readonly approvals: ApprovalRules
  readonly push: EventPush
  readonly replica: string
  /** Whether an issuing authority is kept in reserve, where there is no root above it. */
  readonly standby: boolean
}

/**
 * Opens what the configuration names: store, keys, clock mark. There are no authorities in it yet. Whoever opens them closes
 * them: `closePorts`.
 * @throws STORE_…, PROFILE_INVALID
 */
export async function openPorts(config: Config, how: 'create' | 'open', observer?: KeyObserver): Promise<ServerPorts> {
  const clock = new SystemClock()
  const random = new SystemRandom()
  const { url, password_file: passwordFile } = config.database
  const trustDomain = TrustDomain.parse(config.trust_domain)
  // Before anything is opened: what is wrong with the configuration needs no store.
  const foreign = { outbound: new Outbound(), clock }
  const providers = readProviders(config, foreign)
  const users = usersOf(config.users, foreign)
  const push = eventPushOf(config.security_events, foreign.outbound)
  const store = await openStore(url, {
    replica: config.replica.name,
    clock,
    random,
    makeLeaf: leafMaker(random),
    create: how === 'create',
    ...(passwordFile === undefined ? {} : { passwordFile }),
  })
  const attestors = attestorsOf({ trustDomain, providers, reader: store })
  const replica = config.replica.name
  const profile = profileOf(config, trustDomain)
  const authorities = new CurrentAuthorities(AuthoritySet.of({ trustDomain, records: [], signers: new Map() }))
  return {
    store,
    reader: store,
    journal: store,
    counters: store,
    firsts: store,
    clock,
    random,
    replica,
    standby: config.authorities.standby,
    keys: new ServerKeys(config, observer),
    clockGuard: await ClockGuard.load({ clock, marks: store, replica }),
    authorities,
    attestors,
    users,
    approvals: approvalRulesOf(config.approvals),
    push,
    keyAttestations: providers.keys,
    sessions: store,
    statusIndexes: new StatusIndexes(store),
    adoption: new AdoptionReports({ adoptions: store, clock }),
    nonces: new ProofNonces({ reader: store, firsts: store, random }),
    crlShelf: new CrlShelf({ reader: store, clock, authorities, shards: profile.crlShards }),
    profile,
  }
}

function profileOf(config: Config, trustDomain: TrustDomain): IssuanceProfile {
  return issuanceProfile({
    trustDomain,
    serialPrefix: config.replica.number,
    publicUrl: config.public_url,
    statusUrl: config.status_url ?? null,
    serverNames: serverNames(config).dns,
    nameConstraints: config.name_constraints,
    ...(config.attestation_oid === undefined ? {} : { attestationOid: config.attestation_oid }),
  })
}

/** Keys first: what they still sign is written down. */
export async function closePorts({ keys, store }: Pick<ServerPorts, 'keys' | 'store'>): Promise<void> {
  try {
    await keys.close()
  } finally {
    await store.close()
  }
}
