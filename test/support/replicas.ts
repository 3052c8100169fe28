import { joinTokenAttestor } from '#attestation/index.ts'
import type { AuthenticatePorts } from '#flows/authenticate.ts'
import { ClockGuard } from '#flows/clock-guard.ts'
import type { EnrollPorts } from '#flows/enroll.ts'
import type { AuthorityPorts } from '#flows/issuance-ports.ts'
import { initializeAuthorities, type InitializeAuthoritiesOptions } from '#flows/initialize-authorities.ts'
import { issuanceProfile } from '#issuance/index.ts'
import type { Instant } from '#kernel/instant.ts'
import type { Database } from '../contract/store/subjects.ts'
import { MemoryKeys } from '../fakes/keys.ts'
import { FakeRandom } from '../fakes/random.ts'
import { TRUST_DOMAIN } from './trust-domain.ts'

const PROFILE = { trustDomain: TRUST_DOMAIN, publicUrl: 'https://id.example.org', serverNames: ['id.example.org'] }

export type ReplicaPorts = EnrollPorts & AuthenticatePorts & AuthorityPorts

/** Two replicas on one database, which share keys and time. */
export async function openReplicas(
  database: Database,
  options: InitializeAuthoritiesOptions = { mode: 'self-rooted' },
): Promise<readonly [ReplicaPorts, ReplicaPorts]> {
  const keys = new MemoryKeys()
  const { clock } = database
  const open = async (replica: string, serialPrefix: number) => {
    const store = await database.open(replica)
    const tokens = { findByHash: (hash: string) => store.find('JoinToken', { hash }) }
    // Time is a fake here, the database's own clock is not.
    const marks = {
      read: (name: string) => store.read(name),
      write: (name: string, mark: Instant) => store.write(name, mark),
      databaseNow: () => Promise.resolve(null),
    }
    const clockGuard = await ClockGuard.load({ clock, marks, replica })
    const profile = issuanceProfile({ ...PROFILE, serialPrefix })
    const random = new FakeRandom(replica)
    return {
      reader: store,
      journal: store,
      firsts: store,
      clock,
      random,
      keys,
      clockGuard,
      profile,
      attestors: [joinTokenAttestor(tokens)],
    }
  }
  const first = await open('one', 1)
  const authorities = await initializeAuthorities(first, { actor: 'local:1000', options })
  return [
    { ...first, authorities },
    { ...(await open('two', 2)), authorities },
  ]
}

export async function closeReplicas(replicas: readonly EnrollPorts[]): Promise<void> {
  await Promise.all(replicas.map(({ reader }) => (reader as unknown as { close(): Promise<void> }).close()))
}
