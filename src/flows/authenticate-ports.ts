import type { AuthoritySource } from '#authority/index.ts'
import type { Clock } from '#kernel/clock.ts'
import type { Firsts, Reader } from './ports.ts'

export interface AuthenticatePorts {
  readonly reader: Reader
  readonly clock: Clock
  readonly authorities: AuthoritySource
  readonly firsts: Firsts
}
