import type { Metrics } from '#adapters/metrics/index.ts'
import type { AnonymousDenials } from '#audit/index.ts'
import { adoptionOf } from '#authority/index.ts'
import { keepDelegates } from '#flows/keep-delegates.ts'
import { refreshAuthorities } from '#flows/load-authorities.ts'
import { reconcileIntents } from '#flows/reconcile-intents.ts'
import { rotateAuthorities } from '#flows/rotate-authorities.ts'
import { followTaints } from '#flows/rotation/follow-taints.ts'
import { readAdoptionFacts } from '#flows/rotation/gates.ts'
import { expireSets } from '#flows/ssf/expire-sets.ts'
import { Pusher } from '#flows/ssf/pusher.ts'
import { Transmitter } from '#flows/ssf/transmitter.ts'
import type { CrlObserver } from '#flows/crl/ports.ts'
import type { RootCrlObserver } from '#flows/crl/root-crl-watch.ts'
import { DAY, instant, MINUTE, SECOND, type Milliseconds } from '#kernel/instant.ts'
import type { Duty } from '../duties.ts'
import type { Leadership } from '../leadership.ts'
import type { HttpsListener } from '../listeners/https.ts'
import type { OwnCertificate } from '../tls/own-certificate.ts'
import type { PublicCertificate } from '../tls/public-certificate.ts'
import { crlDuties } from './crls.ts'
import type { ServerPorts } from './ports.ts'

export interface Charges {
  readonly ports: ServerPorts
  readonly leadership: Leadership
  readonly denials: AnonymousDenials
  readonly crlObserver: CrlObserver & RootCrlObserver
  readonly metrics: Metrics
  readonly https: HttpsListener
  readonly own: OwnCertificate
  readonly publicCertificate: PublicCertificate | null
}

/** What is done at intervals, on every replica or by whoever holds the lease. */
export function dutiesOf(charges: Charges): readonly Duty[] {
  const { ports, denials, leadership, crlObserver: observer } = charges
  const leader = { ports, leadership }
  const told = new Told()
  const transmitter = new Transmitter(ports, told.tell)
  const pusher = new Pusher(ports)
  return [
    { name: 'sequence', every: SECOND / 5, run: () => sequence(leader), on: whenWritten(ports) },
    { name: 'anonymous-denials', every: SECOND, run: () => denials.flush() },
    { name: 'adoption', every: 3 * SECOND, run: () => ports.adoption.flush() },
    { name: 'clock-mark', every: 5 * SECOND, run: () => ports.clockGuard.check() },
    { name: 'authorities', every: 5 * SECOND, run: () => keepAuthorities(leader, charges.metrics) },
    { name: 'authority-news', every: 5 * SECOND, run: () => refreshAuthorities(ports), on: whenWritten(ports) },
    { name: 'adoption-measured', every: MINUTE, run: () => measureAdoption(leader, charges.metrics) },
    { name: 'ocsp-delegates', every: 5 * SECOND, run: () => keepResponders(leader), on: whenReplaced(ports) },
    { name: 'server-certificate', every: 10 * SECOND, run: () => keepCertificates(charges) },
    { name: 'intents', every: 30 * SECOND, run: () => reconcile(leader) },
    { name: 'security-events', every: SECOND / 2, run: () => transmit(leader, transmitter), on: whenSequenced(ports) },
    { name: 'event-push', every: SECOND / 2, run: () => push(leader, pusher), on: told.listen },
    { name: 'purge', every: MINUTE, run: () => purge(leader) },
    ...crlDuties({ ...leader, observer }),
  ]
}

interface Leader {
  readonly ports: ServerPorts
  readonly leadership: Leadership
}

/** Who has been away for longer than this starts anew. */
const OUTBOX_KEPT = 7 * DAY

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
    const { failed } = await rotateAuthorities(ports, { standby: ports.standby })
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

/** The responders of OCSP; one that cannot be made holds up no other. */
async function keepResponders({ ports, leadership }: Leader): Promise<void> {
  if (!(await leadership.holds('ocsp-delegates', 20 * SECOND))) return
  const { failed } = await keepDelegates(ports)
  for (const failure of failed) throw failure
}

/** Who is about to sign has its responder before anybody asks what became of its certificates. */
function whenReplaced({ authorities }: ServerPorts): NonNullable<Duty['on']> {
  return (wake) => authorities.onReplace(wake)
}

/** A revocation does not wait for the next regular run. */
function whenWritten({ store }: ServerPorts): NonNullable<Duty['on']> {
  return (wake) =>
    store.subscribe((news) => {
      if (news === 'written') wake()
    })
}

/** Nor do receivers: what has its place in the outbox is told at once. */
function whenSequenced({ store }: ServerPorts): NonNullable<Duty['on']> {
  return (wake) =>
    store.subscribe((news) => {
      if (news === 'sequenced') wake()
    })
}

/** Wakes whoever pushes events when there are some; where another replica pushes, that one looks by itself. */
class Told {
  #listener: () => void = () => undefined
  readonly tell = (): void => {
    this.#listener()
  }
  readonly listen = (wake: () => void): (() => void) => {
    this.#listener = wake
    return () => {
      this.#listener = () => undefined
    }
  }
}

/** For this long nobody gives positions after one who did was killed, and receivers hear of nothing new. */
const SEQUENCE_LEASE: Milliseconds = 3 * SECOND
/** More waits for the next run: one who is to stop does not go on for as long as others write. */
const SEQUENCE_ROUNDS = 50

/**
 * Readers of the log and of the outbox follow positions; one replica at a time gives them. By turns, so that neither
 * waits for the other under load, and for no longer than the duty is this replica's.
 */
async function sequence({ ports, leadership }: Leader): Promise<void> {
  for (let round = 0; round < SEQUENCE_ROUNDS; round++) {
    if (!(await leadership.holds('sequence', SEQUENCE_LEASE))) return
    const events = await ports.store.sequence('Outbox')
    const leaves = await ports.store.sequence('LogLeaf')
    if (events + leaves === 0) return
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
  if (!(await leadership.holds('purge', 2 * MINUTE))) return
  const now = ports.clock.now()
  await ports.store.purge(now)
  await expireSets(ports)
  await ports.store.purgeOutbox(instant(now - OUTBOX_KEPT))
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
}: Omit<Charges, 'ports' | 'leadership' | 'denials' | 'crlObserver'>): Promise<void> {
  if (publicCertificate?.reload() === true) https.usePublic()
  if (own.isDue) {
    await own.renew()
    https.useOwn(own.identity)
  }
  metrics.certificateExpires(own.notAfter / SECOND)
}
