import type { Metrics } from '#adapters/metrics/index.ts'
import type { AnonymousDenials } from '#audit/index.ts'
import { refreshAuthorities } from '#flows/load-authorities.ts'
import { reconcileIntents } from '#flows/reconcile-intents.ts'
import { rotateAuthorities } from '#flows/rotate-authorities.ts'
import { Pusher } from '#flows/ssf/pusher.ts'
import { Transmitter } from '#flows/ssf/transmitter.ts'
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
  const transmitter = new Transmitter(ports)
  const pusher = new Pusher(ports)
  return [
    { name: 'sequence', every: SECOND / 5, run: () => sequence(leader) },
    { name: 'anonymous-denials', every: SECOND, run: () => denials.flush() },
    { name: 'clock-mark', every: 5 * SECOND, run: () => ports.clockGuard.check() },
    { name: 'authorities', every: 5 * SECOND, run: () => keepAuthorities(leader) },
    { name: 'server-certificate', every: 10 * SECOND, run: () => keepCertificates(charges) },
    { name: 'intents', every: 30 * SECOND, run: () => reconcile(leader) },
    { name: 'security-events', every: SECOND / 2, run: () => transmit(leader, transmitter) },
    { name: 'event-push', every: SECOND / 2, run: () => push(leader, pusher) },
    { name: 'purge', every: MINUTE, run: () => purge(leader) },
  ]
}

interface Leader {
  readonly ports: ServerPorts
  readonly leadership: Leadership
}

/** One replica takes the steps that are due; every other one learns of them from the store. */
async function keepAuthorities({ ports, leadership }: Leader): Promise<void> {
  if (!(await leadership.holds('rotate-authorities', 20 * SECOND))) {
    await refreshAuthorities(ports)
    return
  }
  const { failed } = await rotateAuthorities(ports)
  for (const failure of failed.values()) throw failure
}

/** Readers of the log and of the outbox follow positions; one replica at a time gives them. */
async function sequence({ ports, leadership }: Leader): Promise<void> {
  if (!(await leadership.holds('sequence', 10 * SECOND))) return
  for (const table of ['LogLeaf', 'Outbox'] as const) {
    while ((await ports.store.sequence(table)) > 0);
  }
}

/** One replica makes the security events of all streams, */
async function transmit({ leadership }: Leader, transmitter: Transmitter): Promise<void> {
  if (await leadership.holds('security-events', 10 * SECOND)) await transmitter.run()
}

/** and one pushes them: by itself, so that a slow receiver keeps nobody from being told. */
async function push({ leadership }: Leader, pusher: Pusher): Promise<void> {
  if (await leadership.holds('event-push', 10 * SECOND)) await pusher.run()
}

async function reconcile({ ports, leadership }: Leader): Promise<void> {
  if (await leadership.holds('reconcile-intents', 2 * MINUTE)) await reconcileIntents(ports, { startedAs: null })
}

async function purge({ ports, leadership }: Leader): Promise<void> {
  if (await leadership.holds('purge', 2 * MINUTE)) await ports.store.purge(ports.clock.now())
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
