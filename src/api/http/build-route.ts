import { SECOND } from '#kernel/instant.ts'
import { parseBody, parseFormWith, parseQuery } from '#wire/index.ts'
import type { BodyLimits, RawCall, Route, RouteSpec } from './route.ts'

export const SMALL_BODY: BodyLimits = { maxBytes: 64 * 1024, maxDepth: 12, within: 10 * SECOND }
export const NO_BODY: BodyLimits = { maxBytes: 0, maxDepth: 0, within: SECOND }

/** Closes over the types of a route: what remains takes a raw call and answers it. */
export function route<Body, Query, Result>(spec: RouteSpec<Body, Query, Result>): Route {
  const { flow, render, ...rest } = spec
  return {
    ...rest,
    run: async (flows, call) => {
      const query = parseQuery(spec.schema.query, call.query)
      const result = await flow(flows, { ...call, query, body: bodyOf(spec, call) })
      return { status: spec.status, ...render(result) }
    },
  }
}

function bodyOf<Body, Query, Result>({ schema, takes }: RouteSpec<Body, Query, Result>, { body }: RawCall): Body {
  if (takes === 'ocsp') return parseBody(schema.body, body)
  return body instanceof Uint8Array ? parseFormWith(schema.body, body) : parseBody(schema.body, body)
}
