import type { KeyClass, KeyClassSource } from '#kernel/algorithms.ts'
import type { Instant, Milliseconds } from '#kernel/instant.ts'

/** A registered kind of workload. Everything that an instance of it may ever get is bounded here. */
export interface AgentRecord {
  readonly id: string
  readonly name: string
  readonly owner: string
  /** Path of the SPIFFE ID without the instance: `/agent/<name>`. */
  readonly path: string
  /** `instance`: an ID for each instance; `agent`: one ID for all of them. */
  readonly identity: 'instance' | 'agent'
  /** `type:value` facts, all of which must be among the evidence's. With none, only a join token that names the agent matches. */
  readonly selectors: readonly string[]
  readonly dnsNames: readonly string[]
  /** Resources (by audience) and their actions that tokens may be asked for; nothing else is permitted. */
  readonly permissions: readonly Permission[]
  readonly keyClasses: readonly KeyClass[]
  /** What an admin says of keys of which no device has stated anything; null for software. */
  readonly declaredKeyClass: KeyClass | null
  readonly x509Lifetime: Milliseconds
  readonly jwtLifetime: Milliseconds
  readonly tokenLifetime: Milliseconds
  readonly maxAttestationAge: Milliseconds
  readonly renewGrace: Milliseconds
  readonly maxTaskLifetime: Milliseconds
  readonly maxDepth: number
  readonly state: 'active' | 'suspended' | 'retired'
  /** Counts changes; the expected version of a compare-and-swap. */
  readonly version: number
  readonly createdAt: Instant
  readonly updatedAt: Instant
}

export interface Permission {
  readonly audience: string
  readonly actions: readonly string[]
}

/** One attested, running copy of an agent. */
export interface InstanceRecord {
  readonly id: string
  readonly spiffeId: string
  readonly agent: string
  readonly node: string | null
  readonly attestor: string
  readonly selectors: readonly string[]
  /** Salted SHA-256 of the evidence, hex, and its salt. */
  readonly evidenceDigest: string
  readonly evidenceSalt: string
  readonly keyClass: KeyClass
  readonly keyClassSource: KeyClassSource
  readonly attestedAt: Instant
  readonly lineage: string
  readonly state: 'active' | 'revoked' | 'superseded'
  /** Hash of what the evidence said that it is; no two instances have the same. Null where it did not say, or no more. */
  readonly workload: string | null
  readonly createdAt: Instant
}

export interface NodeRecord {
  readonly id: string
  readonly name: string
  readonly attestor: string
  readonly selectors: readonly string[]
  readonly lastSeen: Instant
  readonly bundleSequence: number
}

/** A receiver, as its owner registered it. */
export interface ResourceRecord {
  readonly id: string
  readonly audience: string
  readonly owner: string
  /** Who may act for it (introspection, feed): exact SPIFFE IDs, or an agent's ID, which covers its instances. */
  readonly spiffeIds: readonly string[]
  readonly actions: readonly string[]
  /** Which proxies may ask for it whom to let in: as `spiffeIds`. */
  readonly proxies: readonly string[]
  /** Where clients reach it, without a trailing slash: what DPoP proofs are compared with. Null where nobody said. */
  readonly url: string | null
  readonly state: 'active' | 'retired'
  readonly createdAt: Instant
}
