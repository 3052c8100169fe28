import type { JsonLog } from '#adapters/log/index.ts'
import type { Metrics } from '#adapters/metrics/index.ts'
import { CrlPublisher } from '#flows/crl/crl-publisher.ts'
import { CutoffExpansion } from '#flows/crl/expand-cutoffs.ts'
import type { CrlObserver } from '#flows/crl/ports.ts'
import { RootCrlWatch, type RootCrlObserver } from '#flows/crl/root-crl-watch.ts'
import { SECOND, toRfc3339, type Milliseconds } from '#kernel/instant.ts'
import type { Duty } from '../duties.ts'
import type { Leadership } from '../leadership.ts'
import type { ServerPorts } from './ports.ts'

const LEASE: Milliseconds = 20 * SECOND
const EVERY: Milliseconds = SECOND / 2
const WATCHED_EVERY: Milliseconds = 15 * SECOND

export interface CrlCharge {
  readonly ports: ServerPorts
  readonly leadership: Leadership
  readonly observer: CrlObserver & RootCrlObserver
}

/**
 * Spells cutoffs out, publishes CRLs, and watches those that ceremonies have made: a duty each, so that a large cutoff
 * holds no publication up; one replica.
 */
export function crlDuties({ ports, leadership, observer }: CrlCharge): readonly Duty[] {
  const publisher = new CrlPublisher({ ...ports, crls: ports.crlShelf, crlObserver: observer })
  const expansion = new CutoffExpansion(ports, (entries) => {
    publisher.added(entries)
  })
  const watch = new RootCrlWatch(ports, observer)
  const leading = async (duty: { forget(): void; run(): Promise<unknown> }): Promise<void> => {
    if (await leadership.holds('crls', LEASE)) await duty.run()
    else duty.forget()
  }
  return [
    { name: 'crl-lines', every: EVERY, run: () => leading(expansion) },
    { name: 'crls', every: EVERY, run: () => leading(publisher) },
    { name: 'root-crls', every: WATCHED_EVERY, run: () => leading(watch) },
  ]
}

/** Measures, and writes down what an operator must hear of. */
export function crlObserver(metrics: Metrics, log: JsonLog): CrlObserver & RootCrlObserver {
  return {
    onHealth: (health) => {
      metrics.crls.state(health)
    },
    onFailure: (authority, error, isOverdue) => {
      metrics.crls.failed(authority)
      log.error('crl.failed', error, { authority })
      if (isOverdue) log.warn('crl.overdue', { authority })
    },
    onCoverage: (all) => {
      metrics.crls.covered(all)
    },
    onEnding: ({ authority, until }) => {
      log.warn('root_crl.ending', { authority, until: until === null ? 'over' : toRfc3339(until) })
    },
  }
}
