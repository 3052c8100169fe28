import { join } from 'node:path'
import { SoftwareKeys } from '#adapters/keys/software/index.ts'
import { Outbound } from '#adapters/outbound/index.ts'
import { openStore, type Store } from '#adapters/store/index.ts'
import { SystemClock, SystemRandom } from '#adapters/system/index.ts'
import { leafMaker } from '#audit/index.ts'
import { AuthoritySet, CurrentAuthorities } from '#authority/index.ts'
import { ClockGuard } from '#flows/clock-guard.ts'
import type { EnrollSessionPorts } from '#flows/enroll-session.ts'
import type { AuthorityPorts } from '#flows/issuance-ports.ts'
import { ProofNonces } from '#flows/proof-nonces.ts'
import { StatusIndexes } from '#flows/status-indexes.ts'
import { issuanceProfile } from '#issuance/index.ts'
import { TrustDomain } from '#spiffe/index.ts'
import { serverNames } from '../addresses.ts'
import type { Config } from '../config/load.ts'
import { attestorsOf, readProviders } from './attestors.ts'

/** Every port of every story, in one bundle that only this folder sees whole. */
export interface ServerPorts extends AuthorityPorts, EnrollSessionPorts {
  readonly authorities: CurrentAuthorities
  readonly store: Store
  readonly counters: Store
  readonly firsts: Store
  readonly statusIndexes: StatusIndexes
  readonly nonces: ProofNonces
  readonly replica: string
}

/**
 * Opens what the configuration names: store, keys, clock mark. There are no authorities in it yet.
 * @throws STORE_…, PROFILE_INVALID
 */
export async function openPorts(config: Config, how: 'create' | 'open'): Promise<ServerPorts> {
  const clock = new SystemClock()
  const random = new SystemRandom()
  const { url, password_file: passwordFile } = config.database
  const trustDomain = TrustDomain.parse(config.trust_domain)
  // Before anything is opened: what is wrong with the configuration needs no store.
  const providers = readProviders(config, { outbound: new Outbound(), clock })
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
  return {
    store,
    reader: store,
    journal: store,
    counters: store,
    firsts: store,
    clock,
    random,
    replica,
    keys: new SoftwareKeys(join(config.data, 'keys')),
    clockGuard: await ClockGuard.load({ clock, marks: store, replica }),
    authorities: new CurrentAuthorities(AuthoritySet.of({ trustDomain, records: [], signers: new Map() })),
    attestors,
    keyAttestations: providers.keys,
    sessions: store,
    statusIndexes: new StatusIndexes(store),
    nonces: new ProofNonces({ reader: store, firsts: store, random }),
    profile: issuanceProfile({
      trustDomain,
      serialPrefix: config.replica.number,
      publicUrl: config.public_url,
      // Certificates name the status endpoints once CRLs and OCSP answer there, and not before.
      statusUrl: null,
      serverNames: serverNames(config).dns,
      nameConstraints: config.name_constraints,
      ...(config.attestation_oid === undefined ? {} : { attestationOid: config.attestation_oid }),
    }),
  }
}
