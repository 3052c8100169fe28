import type { AuthoritySource, CurrentAuthorities } from '#authority/index.ts'
import type { IssuanceProfile } from '#issuance/index.ts'
import type { ClockGuard } from './clock-guard.ts'
import type { Keys, StoryPorts } from './ports.ts'

/** What every story that issues needs. */
export interface IssuePorts extends StoryPorts {
  readonly authorities: AuthoritySource
  readonly profile: IssuanceProfile
  readonly clockGuard: ClockGuard
}

/** What every story that changes authorities needs: it makes keys, and replaces the current set. */
export interface AuthorityPorts extends IssuePorts {
  readonly authorities: CurrentAuthorities
  readonly keys: Keys
}
