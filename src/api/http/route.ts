import type { Caller, Role } from '#authentication/index.ts'
import type { Bytes } from '#kernel/bytes.ts'
import type { JsonLimits, JsonValue } from '#kernel/json.ts'
import type { Milliseconds } from '#kernel/instant.ts'
import type { WireSchema } from '#wire/index.ts'
import type { Flows } from './flows.ts'

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

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
  /** Every value of the DPoP header. */
  readonly dpop: readonly string[]
}

export interface Answer {
  readonly status: number
  /** Members that are undefined are left out, as JSON has it. */
  readonly body: object | Bytes | string | null
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
  /** `/v1/tasks/{id}`. */
  readonly path: string
  readonly surface: Surface
  readonly callers: readonly CallerClass[]
  /** `renewal` lets a certificate in that has expired within its grace. */
  readonly authentication?: 'current' | 'renewal'
  /** `ignored` leaves the body unread. */
  readonly takes: 'nothing' | 'json' | 'json-or-nothing' | 'form' | 'ignored'
  readonly limits: BodyLimits
  readonly errors: 'problem' | 'oauth'
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
