import type { AuthoritySource } from '#authority/index.ts'
import type { IssuanceProfile } from '#issuance/index.ts'
import type { Instant } from '#kernel/instant.ts'
import type { CrlRecord } from '#revocation/index.ts'
import type { ClockGuard } from '../clock-guard.ts'
import type { Keys, StoryPorts } from '../ports.ts'

/** What the stories of CRLs need. */
export interface CrlPorts extends Omit<StoryPorts, 'random'> {
  readonly authorities: AuthoritySource
  readonly profile: IssuanceProfile
  readonly clockGuard: Pick<ClockGuard, 'check'>
  readonly keys: Keys
  readonly crls: CrlKeeper
  readonly crlObserver: CrlObserver
}

/** Where a CRL that has just been published goes, so that this replica serves it without asking the store. */
export interface CrlKeeper {
  keep(crl: CrlRecord): void
}

/** How the CRLs of an authority are. */
export interface CrlHealth {
  readonly authority: string
  /** When the oldest of its CRLs was issued; null while one is missing. */
  readonly oldest: Instant | null
  /** Certificates that its CRLs list. */
  readonly entries: number
  /** Octets of all its CRLs. */
  readonly bytes: number
}

/** Who watches the publisher: metrics and log. */
export interface CrlObserver {
  /** After each round, every authority that issues CRLs. */
  onHealth(health: readonly CrlHealth[]): void
  /** Its CRLs could not be published; `overdue` when one has passed half of its time. It is tried again shortly. */
  onFailure(authority: string, error: unknown, overdue: boolean): void
}
