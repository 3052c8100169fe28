import type { Caller, Role } from '#authentication/index.ts'
import type { Bytes } from '#kernel/bytes.ts'
import type { JsonLimits, JsonValue } from '#kernel/json.ts'
import type { Milliseconds } from '#kernel/instant.ts'
import type { WireSchema } from '#wire/index.ts'
import type { Flows } from './flows.ts'

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | 'OPTIONS'

/** Which listener serves it: `api` on HTTPS and the admin socket, the others on their own plain port. */
export type Surface = 'api' | 'status' | 'health'

/** Who may call: any of them. A role is held by a principal; `admin` holds them all. */
export type CallerClass = 'anyone' | 'agent' | 'local' | Role

export interface BodyLimits extends JsonLimits {
  /** The whole body has to be here by then. */
  readonly within: Milliseconds
}

/** What came in, parsed. */
export interface Call<Body, Query> {
  readonly caller: Caller
  readonly body: Body
  readonly query: Query
  readonly path: Readonly<Record<string, string>>
  readonly address: string
  /** The media types that the client prefers, as it wrote them. */
  readonly accept: string
  /** The If-None-Match header, as it came; empty when there is none. */
  readonly ifNoneMatch: string
  /** Every value of the DPoP header. */
  readonly dpop: readonly string[]
  readonly head: RequestHead
  /** Takes a place among the answers that go on. @throws STREAMS_EXHAUSTED */
  readonly live: () => Live
}

/** The request as it came, for routes that are asked about another request. */
export interface RequestHead {
  readonly method: string
  /** Path and query. */
  readonly target: string
  /** Every value of every header, by its name in lower case. */
  readonly headers: Readonly<Record<string, readonly string[] | undefined>>
}

/** What the maker of a `Stream` needs to know of its reader. */
export interface Live {
  /** The id of the event that the reader has seen last; null where it said none. */
  readonly lastEventId: string | null
  /** Who is calling, looked at again. @throws as at the door */
  readonly again: () => Promise<Caller>
  /** Aborted when the reader is gone, or the server stops. */
  readonly signal: AbortSignal
}

/** A body that is made while it is sent. */
export class Stream {
  readonly chunks: AsyncIterable<string>

  constructor(chunks: AsyncIterable<string>) {
    this.chunks = chunks
  }
}

export interface Answer {
  readonly status: number
  /** Members that are undefined are left out, as JSON has it. */
  /** A `Stream` is sent as it comes, for as long as it goes on. */
  readonly body: object | Bytes | string | Stream | null
  readonly headers?: Readonly<Record<string, string>>
}

export interface RouteSchema<Body, Query> {
  /** `noBody` and `noQuery` where there is none. */
  readonly body: WireSchema<Body>
  readonly query: WireSchema<Query>
  /** What the answer looks like; null where it is not JSON or empty. */
  readonly answer: WireSchema | null
}

export interface RouteSpec<Body, Query, Result> {
  /** The operation id in OpenAPI. */
  readonly id: string
  readonly summary: string
  readonly method: Method
  /** `/v1/tasks/{id}`; `/ocsp/{+request}` takes the whole rest, as it came, and is served as `hot` only. */
  readonly path: string
  readonly surface: Surface
  readonly callers: readonly CallerClass[]
  /** `renewal` lets a certificate in that has expired within its grace. */
  readonly authentication?: 'current' | 'renewal'
  /** `ignored` leaves the body unread; `ocsp` is DER, which the flow reads. */
  readonly takes: 'nothing' | 'json' | 'json-or-nothing' | 'form' | 'ocsp' | 'ignored'
  readonly limits: BodyLimits
  /** `bearer`: as RFC 6750 section 3 has it, for whoever sent the request that is asked about. */
  readonly errors: 'problem' | 'oauth' | 'bearer'
  readonly schema: RouteSchema<Body, Query>
  /** Status of a success; also what OpenAPI says. */
  readonly status: number
  readonly flow: (flows: Flows, call: Call<Body, Query>) => Promise<Result>
  readonly render: (result: Result) => Omit<Answer, 'status'> & { readonly status?: number }
  /** Served straight on the node server, before express. */
  readonly hot: boolean
}

export type RawCall = Call<JsonValue | Bytes | undefined, string>

/** A route with its types closed over: parse, flow, render. */
export interface Route extends Omit<RouteSpec<never, never, never>, 'flow' | 'render' | 'schema'> {
  readonly schema: RouteSchema<unknown, unknown>
  readonly run: (flows: Flows, call: RawCall) => Promise<Answer>
}
