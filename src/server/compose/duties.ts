import type { Metrics } from '#adapters/metrics/index.ts'
import type { AnonymousDenials } from '#audit/index.ts'
import { adoptionOf } from '#authority/index.ts'
import { refreshAuthorities } from '#flows/load-authorities.ts'
import { reconcileIntents } from '#flows/reconcile-intents.ts'
import { rotateAuthorities } from '#flows/rotate-authorities.ts'
import { followTaints } from '#flows/rotation/follow-taints.ts'
import { readAdoptionFacts } from '#flows/rotation/gates.ts'
import { MINUTE, SECOND } from '#kernel/instant.ts'
import type { Duty } from '../duties.ts'
import { Leadership } from '../leadership.ts'
import type { HttpsListener } from '../listeners/https.ts'
import type { OwnCertificate } from '../tls/own-certificate.ts'
import type { PublicCertificate } from '../tls/public-certificate.ts'
import type { ServerPorts } from './ports.ts'

export interface Charges {
  readonly ports: ServerPorts
  readonly denials: AnonymousDenials
  readonly metrics: Metrics
  readonly https: HttpsListener
  readonly own: OwnCertificate
  readonly publicCertificate: PublicCertificate | null
}

/** What is done at intervals, on every replica or by whoever holds the lease. */
export function dutiesOf(charges: Charges): readonly Duty[] {
  const { ports, denials } = charges
  const leadership = new Leadership(ports.store, ports.clock, ports.replica)
  const leader = { ports, leadership }
  return [
    { name: 'sequence', every: SECOND / 5, run: () => sequence(leader) },
    { name: 'anonymous-denials', every: SECOND, run: () => denials.flush() },
    { name: 'clock-mark', every: 5 * SECOND, run: () => ports.clockGuard.check() },
    { name: 'authorities', every: 5 * SECOND, run: () => keepAuthorities(leader, charges.metrics) },
    { name: 'adoption', every: MINUTE, run: () => measureAdoption(leader, charges.metrics) },
    { name: 'server-certificate', every: 10 * SECOND, run: () => keepCertificates(charges) },
    { name: 'intents', every: 30 * SECOND, run: () => reconcile(leader) },
    { name: 'purge', every: MINUTE, run: () => purge(leader) },
  ]
}

interface Leader {
  readonly ports: ServerPorts
  readonly leadership: Leadership
}

/**
 * One replica takes the steps that are due, and goes on with what was tainted; every other one learns of them from the
 * store.
 */
async function keepAuthorities({ ports, leadership }: Leader, metrics: Metrics): Promise<void> {
  try {
    if (!(await leadership.holds('rotate-authorities', 20 * SECOND))) {
      await refreshAuthorities(ports)
      return
    }
    await followTaints(ports)
    const { failed } = await rotateAuthorities(ports)
    for (const failure of failed.values()) throw failure
  } finally {
    metrics.authorities.phases(ports.authorities.current().records)
  }
}

/** How many of the living hold the bundle as it is now; the lease goes to one replica, and only that one says so. */
async function measureAdoption({ ports, leadership }: Leader, metrics: Metrics): Promise<void> {
  if (!(await leadership.holds('measure-adoption', 3 * MINUTE))) {
    metrics.authorities.adoption(null)
    return
  }
  const wanted = ports.authorities.current().sequence
  const facts = await readAdoptionFacts(ports.reader, ports.clock.now())
  metrics.authorities.adoption(adoptionOf(wanted, facts).ratio)
}

/** Readers of the log and of the outbox follow positions; one replica at a time gives them. */
async function sequence({ ports, leadership }: Leader): Promise<void> {
  if (!(await leadership.holds('sequence', 10 * SECOND))) return
  for (const table of ['LogLeaf', 'Outbox'] as const) {
    while ((await ports.store.sequence(table)) > 0);
  }
}

async function reconcile({ ports, leadership }: Leader): Promise<void> {
  if (await leadership.holds('reconcile-intents', 2 * MINUTE)) await reconcileIntents(ports, { startedAs: null })
}

async function purge({ ports, leadership }: Leader): Promise<void> {
  if (await leadership.holds('purge', 2 * MINUTE)) await ports.store.purge(ports.clock.now())
}

/**
 * When another authority signs, or one is tainted, the server's own certificate does not wait for its duty. Answers what
 * stops it.
 */
export function followAuthorities(
  charges: Charges,
  onFailure: (duty: string, error: unknown) => void,
): () => Promise<void> {
  let work = Promise.resolve()
  const stop = charges.ports.authorities.onReplace(() => {
    work = work
      .then(() => keepCertificates(charges))
      .catch((error: unknown) => {
        onFailure('server-certificate', error)
      })
  })
  return async () => {
    stop()
    await work
  }
}

/** New certificates are used from the next handshake on; connections stay as they are. */
export async function keepCertificates({
  own,
  publicCertificate,
  https,
  metrics,
}: Omit<Charges, 'ports' | 'denials'>): Promise<void> {
  if (publicCertificate?.reload() === true) https.usePublic()
  if (own.isDue) {
    await own.renew()
    https.useOwn(own.identity)
  }
  metrics.certificateExpires(own.notAfter / SECOND)
}
