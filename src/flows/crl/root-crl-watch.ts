import { isOfflineRoot, type AuthoritySource } from '#authority/index.ts'
import { DAY, type Instant, type Milliseconds } from '#kernel/instant.ts'
import type { StoryPorts } from '../ports.ts'
import { advanceStatus, type CrlStatus } from './crl-facts.ts'
import { storedCrls } from './root-crls.ts'

export interface RootCoverage {
  /** The root. */
  readonly authority: string
  /** Null where none is stored, or the last one has run out. */
  readonly until: Instant | null
}

/** Who is told how long the CRLs last that ceremonies have made: metrics and log. */
export interface RootCrlObserver {
  /** After each round, every root that only ceremonies open. */
  onCoverage(all: readonly RootCoverage[]): void
  /** There should be another ceremony; told once a day, and at once when it is news. */
  onEnding(root: RootCoverage): void
}

export interface RootCrlWatchPorts extends Pick<StoryPorts, 'reader' | 'clock'> {
  readonly authorities: AuthoritySource
}

/** How often people are told the same. */
const AGAIN: Milliseconds = DAY

interface Told {
  readonly until: Instant | null
  readonly at: Milliseconds
}

/**
 * Sees to it that nobody learns from a relying party that the CRLs of a root have run out: no server can sign another
 * one, and a ceremony takes its time. Run over and over by whoever holds the lease.
 */
export class RootCrlWatch {
  readonly #ports: RootCrlWatchPorts
  readonly #observer: RootCrlObserver
  readonly #told = new Map<string, Told>()

  constructor(ports: RootCrlWatchPorts, observer: RootCrlObserver) {
    this.#ports = ports
    this.#observer = observer
  }

  /** Another replica says it now. */
  forget(): void {
    this.#told.clear()
    this.#observer.onCoverage([])
  }

  /** @throws what the store throws */
  async run(): Promise<void> {
    const { reader, clock, authorities } = this.#ports
    const roots = authorities.current().records.filter((one) => isOfflineRoot(one) && one.state !== 'retired')
    const all: RootCoverage[] = []
    for (const root of roots) {
      const status = advanceStatus(await storedCrls(reader, root), clock.now())
      const coverage = { authority: root.id, until: status?.coveredUntil ?? null }
      all.push(coverage)
      this.#tell(coverage, status)
    }
    this.#observer.onCoverage(all)
  }

  /** A root without any CRL has none on purpose: its ceremony was not asked for them. */
  #tell(coverage: RootCoverage, status: CrlStatus | null): void {
    const { authority, until } = coverage
    const monotonic = this.#ports.clock.monotonic()
    const told = this.#told.get(authority)
    if (status?.overdue !== true) this.#told.delete(authority)
    else if (told?.until !== until || monotonic >= told.at + AGAIN) {
      this.#told.set(authority, { until, at: monotonic })
      this.#observer.onEnding(coverage)
    }
  }
}
