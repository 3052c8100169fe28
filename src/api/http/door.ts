import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Caller } from '#authentication/index.ts'
import type { Clock } from '#kernel/clock.ts'
import { SECOND } from '#kernel/instant.ts'
import type { Random } from '#kernel/random.ts'
import { BUNDLE_SEQUENCE_HEADER } from '#wire/index.ts'
import { typedError } from './answer.ts'
import { admit } from './callers.ts'
import { httpError } from './errors.ts'
import { failureOf } from './failures.ts'
import type { Flows } from './flows.ts'
import { prefixOf, type RateLimit } from './gcra.ts'
import { showing, type PeerOf } from './peer.ts'
import type { RequestLog, RequestMetrics } from './ports.ts'
import type { Route } from './route.ts'
import type { Streams } from './streams.ts'

export interface Limits {
  /** For those whom nobody has authenticated, by network prefix. */
  readonly address: RateLimit
  /** For the others, by name. */
  readonly identity: RateLimit
}

export interface ServeOptions {
  readonly flows: Flows
  readonly clock: Clock
  readonly random: Random
  readonly log: RequestLog
  readonly metrics: RequestMetrics
  readonly limits: Limits
  readonly peerOf: PeerOf
  readonly streams: Streams
  /** The trust domain, for challenges. */
  readonly realm: string
}

/** A request on its way to a route; `path` holds the parameters of the route's pattern. */
export interface Visit {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly route: Route
  readonly path: Readonly<Record<string, string>>
}

/** Who it turned out to be, for the log. */
export interface Visitor {
  name: string
  readonly address: string
}

/**
 * Who calls, and may they come in here. Limits come before cryptography: an address that has used up its limit is not
 * looked at. What is refused here is written down as every other denial is.
 */
export async function enter(options: ServeOptions, visit: Visit, visitor: Visitor): Promise<Caller> {
  const isRemote = visit.request.socket.remoteAddress !== undefined
  const prefix = prefixOf(visitor.address)
  if (isRemote) checkWait(options.limits.address.wait(prefix, options.clock.monotonic()))
  const caller = await admitted(options, visit, visitor).catch((error: unknown) => {
    if (isRemote && visitor.name === 'anonymous' && isDenial(error)) take(options, 'address', prefix)
    throw error
  })
  options.flows.noteAdoption(caller, heldSequence(visit.request))
  if (!isRemote) return caller
  const isKnown = caller.identity.kind !== 'anonymous'
  checkWait(isKnown ? take(options, 'identity', caller.name) : take(options, 'address', prefix))
  return caller
}

async function admitted(options: ServeOptions, { request, route }: Visit, visitor: Visitor): Promise<Caller> {
  const { flows, peerOf } = options
  let caller: Caller | null = null
  try {
    checkOrigin(request, flows.publicUrl)
    const peer = showing(peerOf(request), request, flows.publicUrl)
    caller = await (route.authentication === 'renewal' ? flows.authenticateForRenewal(peer) : flows.authenticate(peer))
    visitor.name = caller.name
    admit(caller, route)
    return caller
  } catch (error) {
    if (isDenial(error)) await flows.recordRefusal({ caller, operation: route.id, error: typedError(error) })
    throw error
  }
}

/**
 * Who is calling, some time after they came in. Whoever is let in no more is written down as at the door. What they said
 * of their bundle then is not what they hold now, and is not noted again.
 */
export function reenter(options: ServeOptions, visit: Visit, visitor: Visitor): Promise<Caller> {
  return admitted(options, visit, visitor)
}

/**
 * A browser shows the certificate of its user to whichever page asks it to send something; only pages of this server
 * may change anything with it. Programs send no Origin.
 */
function checkOrigin(request: IncomingMessage, publicUrl: string): void {
  const { origin, 'sec-fetch-site': site } = request.headers
  if (request.method === 'GET' || request.method === 'HEAD') return
  const isForeign = origin !== undefined && origin !== new URL(publicUrl).origin
  if (isForeign || site === 'cross-site' || site === 'same-site') throw httpError('ORIGIN_FORBIDDEN')
}

const SEQUENCE = /^\d{1,16}$/

/**
 * Which bundle the caller says it holds; null when it says nothing, or nothing that could be true. It is telemetry:
 * who says it wrong is served like anybody else, and counts as one who holds none.
 */
function heldSequence(request: IncomingMessage): number | null {
  const [held = '', another] = request.headersDistinct[BUNDLE_SEQUENCE_HEADER] ?? []
  if (another !== undefined || !SEQUENCE.test(held)) return null
  return Number.isSafeInteger(Number(held)) ? Number(held) : null
}

/** A failure of ours is no denial, and must not use up the limit of a caller who did nothing wrong. */
function isDenial(error: unknown): boolean {
  return (failureOf(typedError(error).code)?.status ?? 500) < 500
}

function take(options: ServeOptions, limit: keyof Limits, key: string): number {
  return options.limits[limit].take(key, options.clock.monotonic())
}

function checkWait(wait: number): void {
  if (wait > 0) throw httpError('RATE_LIMITED', { details: { retryAfter: wait / SECOND } })
}
