import { createServer, type Server } from 'node:http'
import { connect, type AddressInfo } from 'node:net'
import { once } from 'node:events'
import type { Caller, Identity } from '#authentication/index.ts'
import { callerOf } from '#authentication/caller.ts'
import {
  createDispatcher,
  RateLimit,
  type Dispatcher,
  type DispatchOptions,
  type Flows,
  type RequestEntry,
} from '#api/http/index.ts'
import { instant } from '#kernel/instant.ts'
import { FakeClock } from '../fakes/clock.ts'
import { FakeRandom } from '../fakes/random.ts'

export const ANONYMOUS: Identity = { kind: 'anonymous' }
export const LOCAL_ADMIN: Identity = {
  kind: 'local',
  uid: 1000,
  principal: {
    id: 'prn_1',
    subject: 'local:1000',
    name: 'op',
    roles: ['admin'],
    subjects: [],
    agents: [],
    version: 1,
    state: 'active',
    createdAt: instant(0),
  },
}

export function fakeCaller(identity: Identity): Caller {
  return callerOf(identity, { address: '192.0.2.1', expired: false, method: 'certificate' })
}

/** Stories that do nothing: each request comes from `identity`, and refusals are kept. */
export class FakeFlows {
  readonly publicUrl = 'https://id.example.org'
  identity: Identity = ANONYMOUS
  fail: Error | null = null
  readonly refusals: { operation: string; code: string; caller: string | null }[] = []

  readonly authenticate = (): Promise<Caller> =>
    this.fail === null ? Promise.resolve(fakeCaller(this.identity)) : Promise.reject(this.fail)
  readonly authenticateForRenewal = this.authenticate
  readonly recordRefusal = (refusal: {
    caller: Caller | null
    operation: string
    error: { code: string }
  }): Promise<void> => {
    const { caller, operation, error } = refusal
    this.refusals.push({ operation, code: error.code, caller: caller?.name ?? null })
    return Promise.resolve()
  }
}

export interface TestServer {
  readonly origin: string
  readonly port: number
  readonly server: Server
  readonly dispatcher: Dispatcher
  readonly clock: FakeClock
  readonly entries: RequestEntry[]
  readonly failures: Error[]
}

/** A plain HTTP server on loopback with the whole pipeline in it. */
export async function startHttp(
  options: Pick<DispatchOptions, 'routes'> &
    Partial<Omit<DispatchOptions, 'flows'>> & { readonly flows: FakeFlows | Flows },
): Promise<TestServer> {
  const clock = new FakeClock()
  const entries: RequestEntry[] = []
  const failures: Error[] = []
  const dispatcher = createDispatcher({
    maxStreams: { identity: 4, all: 1000 },
    clock,
    random: new FakeRandom(),
    log: {
      request: () => undefined,
      failure: (_id, error) => failures.push(error),
    },
    metrics: { observe: (entry) => entries.push(entry) },
    limits: {
      address: new RateLimit({ rate: 1_000, burst: 1_000 }),
      identity: new RateLimit({ rate: 1_000, burst: 1_000 }),
    },
    peerOf: () => ({ kind: 'tls', chain: [], address: '192.0.2.1' }),
    realm: 'example.org',
    maxInFlight: 500,
    ...options,
    // Test routes reach no story beyond those of the door.
    flows: options.flows as Flows,
  })
  const server = createServer(dispatcher.listener)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return { origin: `http://127.0.0.1:${String(port)}`, port, server, dispatcher, clock, entries, failures }
}

export async function stopHttp(started: TestServer): Promise<void> {
  started.server.closeAllConnections()
  started.server.close()
  await once(started.server, 'close')
}

/** Sends bytes as they are, and returns all that comes back until the other side closes or `until` matches. */
export function exchangeRaw(port: number, send: string, until = /\r\n\r\n[^]*\}$/): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1')
    let received = ''
    socket.setEncoding('utf8')
    socket.on('data', (chunk: string) => {
      received += chunk
      if (until.test(received)) socket.destroy()
    })
    socket.on('close', () => {
      resolve(received)
    })
    socket.on('error', reject)
    socket.write(send)
  })
}
