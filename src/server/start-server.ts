import { join } from 'node:path'
import { JsonLog } from '#adapters/log/index.ts'
import { Metrics } from '#adapters/metrics/index.ts'
import { peerCredentials } from '#adapters/peer-credentials/index.ts'
import {
  createDispatcher,
  RateLimit,
  routesOn,
  tlsPeer,
  type Dispatcher,
  type Flows,
  type PeerOf,
} from '#api/http/index.ts'
import { AnonymousDenials } from '#audit/index.ts'
import { authorityError, isUnderOfflineRoot } from '#authority/index.ts'
import { keepDelegates } from '#flows/keep-delegates.ts'
import { loadAuthorities } from '#flows/load-authorities.ts'
import { reconcileIntents } from '#flows/reconcile-intents.ts'
import { rotateAuthorities } from '#flows/rotate-authorities.ts'
import { serverNames } from './addresses.ts'
import { crlObserver } from './compose/crls.ts'
import { dutiesOf, followAuthorities, keepCertificates } from './compose/duties.ts'
import { startFeed } from './compose/feed.ts'
import { bindFlows } from './compose/flows.ts'
import { healthOf } from './compose/health.ts'
import { keyObserver } from './compose/keys.ts'
import { ocspResponderOf } from './compose/ocsp.ts'
import { closePorts, openPorts, type ServerPorts } from './compose/ports.ts'
import type { Config } from './config/load.ts'
import { checkDataFolder } from './data-folder.ts'
import { startDuties } from './duties.ts'
import { Leadership } from './leadership.ts'
import { adminPeer, listenAdmin } from './listeners/admin-socket.ts'
import { listenHttps, type HttpsListener } from './listeners/https.ts'
import type { Listener } from './listeners/listen.ts'
import { listenPlain } from './listeners/plain.ts'
import { OwnCertificate } from './tls/own-certificate.ts'
import { PublicCertificate } from './tls/public-certificate.ts'

export interface RunningServer {
  /** Where each listener is: `https`, `status`, `health`, `admin`. */
  readonly addresses: Readonly<Record<string, string>>
  /** Takes nothing new, lets what is at work finish, writes down what is left to write, closes everything. */
  stop(): Promise<void>
}

export const ADMIN_SOCKET = 'admin.sock'

/** What a listener needs besides its address. */
interface Surroundings {
  readonly config: Config
  readonly ports: ServerPorts
  readonly flows: Flows
  readonly log: JsonLog
  readonly metrics: Metrics
}

/**
 * Starts the server that `config` describes. Either everything listens when it resolves, or nothing does.
 * @throws DATA_FOLDER_EXPOSED, STORE_…, KEY_…, CLOCK_…, AUTHORITY_…, ADDRESS_IN_USE, ADMIN_SOCKET_IN_USE,
 * TLS_CERTIFICATE_INVALID; each says what to do
 */
export async function startServer(
  config: Config,
  log = new JsonLog({ level: config.log.level }),
): Promise<RunningServer> {
  checkDataFolder(config.data)
  const publicCertificate = publicCertificateOf(config)
  const metrics = new Metrics()
  const ports = await openPorts(config, 'open', keyObserver(metrics, log))
  const opened: (() => Promise<void>)[] = [() => closePorts(ports)]
  try {
    // 1. What a crash left behind is cleared, before anything new is issued.
    await prepare(config, ports)
    await startDelegates(ports, log)
    // 2. A certificate of our own, through the same points as any other.
    const own = await OwnCertificate.issue(ports, serverNames(config))
    // 3. The stories, and the listeners that drive them.
    const denials = new AnonymousDenials(ports.store, ports.clock)
    const feed = await startFeed(ports, metrics, log)
    opened.push(() => feed.stop())
    const ocsp = ocspResponderOf(ports, metrics, log)
    const flows = bindFlows(ports, { denials, health: healthOf(ports, metrics), ocsp, feed })
    opened.push(() => denials.flush('all'))
    opened.push(() => ports.adoption.flush())
    const around = { config, ports, flows, log, metrics }
    const api = [dispatcherOf(around, 'api', tlsPeer), dispatcherOf(around, 'api', adminPeer)] as const
    const https = await listenApi(around, api[0], { own, publicCertificate })
    opened.push(() => https.close())
    const listeners: Listener[] = [https]
    for (const open of otherListeners(around, api[1])) {
      const listener = await open()
      opened.push(() => listener.close())
      listeners.push(listener)
    }
    // 4. What has to be done again and again.
    const leadership = new Leadership(ports.store, ports.clock, ports.replica)
    opened.push(() => leadership.resign())
    const common = { ports, leadership, denials, metrics, https, own, publicCertificate }
    const charges = { ...common, crlObserver: crlObserver(metrics, log) }
    const onFailure = (duty: string, error: unknown) => {
      metrics.dutyFailed(duty)
      log.error('duty.failed', error, { duty })
    }
    await keepCertificates(charges)
    opened.push(followAuthorities(charges, onFailure))
    const duties = startDuties(dutiesOf(charges), onFailure)
    opened.push(() => duties.stop())
    const addresses = Object.fromEntries(listeners.map(({ name, address }) => [name, address]))
    log.info('server.started', { trust_domain: config.trust_domain, ...addresses })
    return { addresses, stop: () => stop(api, opened, log) }
  } catch (error) {
    await closeAll(opened)
    throw error
  }
}

async function prepare(config: Config, ports: ServerPorts): Promise<void> {
  ports.authorities.replace(await loadAuthorities(ports))
  await reconcileIntents(ports, { startedAs: config.replica.number })
  await rotateAuthorities(ports)
  requireIssuing(ports)
}

/** A server that cannot answer about certificates yet issues all the same; its duty tries again. */
async function startDelegates(ports: ServerPorts, log: JsonLog): Promise<void> {
  const { failed } = await keepDelegates(ports)
  for (const failure of failed) log.error('ocsp.failed', failure)
}

/** Under an offline root nobody but people can help. @throws AUTHORITY_AWAITS_CEREMONY */
function requireIssuing({ authorities }: ServerPorts): void {
  const { records } = authorities.current()
  const isIssuing = records.some(({ kind, state }) => kind === 'x509' && state === 'active')
  if (!isIssuing && isUnderOfflineRoot(records)) throw authorityError('AUTHORITY_AWAITS_CEREMONY')
}

function publicCertificateOf({ tls }: Config): PublicCertificate | null {
  const { certificate_file: certificate, key_file: key } = tls
  return certificate === undefined || key === undefined ? null : new PublicCertificate({ certificate, key })
}

function dispatcherOf(around: Surroundings, surface: 'api' | 'status' | 'health', peerOf: PeerOf): Dispatcher {
  const { config, ports, flows, log, metrics } = around
  const { address, identity, max_in_flight: maxInFlight, max_streams: maxStreams } = config.limits
  return createDispatcher({
    routes: routesOn(surface),
    flows,
    clock: ports.clock,
    random: ports.random,
    log,
    metrics,
    peerOf,
    maxInFlight,
    maxStreams,
    realm: config.trust_domain,
    limits: { address: new RateLimit(address), identity: new RateLimit(identity) },
  })
}

function listenApi(
  { config }: Surroundings,
  dispatcher: Dispatcher,
  certificates: { readonly own: OwnCertificate; readonly publicCertificate: PublicCertificate | null },
): Promise<HttpsListener> {
  return listenHttps({
    address: config.listen.https,
    requests: dispatcher.listener,
    maxConnections: config.limits.max_connections,
    minimum: config.tls.min,
    own: certificates.own.identity,
    publicCertificate: certificates.publicCertificate,
  })
}

function otherListeners(around: Surroundings, admin: Dispatcher): readonly (() => Promise<Listener>)[] {
  const { config, log } = around
  const maxConnections = config.limits.max_connections
  const plain = (name: 'status' | 'health', address: string) => () => {
    const { listener: requests } = dispatcherOf(around, name, tlsPeer)
    return listenPlain({ name, address, requests, maxConnections })
  }
  const { status, health } = config.listen
  return [
    ...(status === null ? [] : [plain('status', status)]),
    ...(health === null ? [] : [plain('health', health)]),
    () =>
      listenAdmin({
        path: join(config.data, ADMIN_SOCKET),
        requests: admin.listener,
        credentialsOf: peerCredentials,
        onRefused: (uid) => {
          log.warn('admin.refused', { uid })
        },
      }),
  ]
}

async function stop(api: readonly Dispatcher[], opened: (() => Promise<void>)[], log: JsonLog): Promise<void> {
  log.info('server.stopping')
  api.forEach((dispatcher) => {
    dispatcher.stop()
  })
  await closeAll(opened)
  log.info('server.stopped')
}

/** In the reverse of the order in which they were opened; one that fails does not keep the others open. */
async function closeAll(opened: (() => Promise<void>)[]): Promise<void> {
  const failures: unknown[] = []
  for (const close of opened.splice(0).reverse()) {
    await close().catch((error: unknown) => failures.push(error))
  }
  if (failures.length > 0) throw failures[0]
}
