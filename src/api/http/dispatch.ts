import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import express, { type Express, type NextFunction, type Request, type Response } from 'express'
import { noBody, noQuery } from '#wire/index.ts'
import { httpError } from './errors.ts'
import type { Answer, Method, Route } from './route.ts'
import type { ServeOptions, Visit } from './door.ts'
import { serve } from './serve.ts'
import { Streams, type StreamLimits } from './streams.ts'

export interface DispatchOptions extends Omit<ServeOptions, 'streams'> {
  readonly routes: readonly Route[]
  /** Requests at work at once; what comes beyond is told to come back. */
  /** Answers that go on are not counted: they have limits of their own. */
  readonly maxInFlight: number
  readonly maxStreams: StreamLimits
}

export interface Dispatcher {
  readonly listener: RequestListener
  readonly inFlight: number
  /** Ends every stream; from now on every new request is refused with SERVER_STOPPING, on a connection that closes. */
  stop(): void
}

/** One table, two ways in: hot routes straight off the node server, the others through express. */
export function createDispatcher(given: DispatchOptions): Dispatcher {
  const { routes } = given
  const working = new Set<ServerResponse>()
  const streams = new Streams(given.maxStreams, (response) => working.delete(response))
  const options = { ...given, streams }
  const hot = hotRoutes(routes)
  const cold = expressOf(routes, options)
  let isStopping = false

  const listener: RequestListener = (request, response) => {
    working.add(response)
    response.once('close', () => working.delete(response))
    if (isStopping) response.setHeader('connection', 'close')
    const refusal = isStopping ? 'SERVER_STOPPING' : working.size > given.maxInFlight ? 'SERVER_OVERLOADED' : null
    const found = hot(request)
    if (refusal !== null) void serve(options, { request, response, route: refusing(refusal), path: {} })
    else if (found !== null) void serve(options, { request, response, ...found })
    else cold(request, response)
  }
  return {
    listener,
    get inFlight() {
      return working.size
    },
    stop() {
      isStopping = true
      streams.stop()
    },
  }
}

type Found = Pick<Visit, 'route' | 'path'>

/** Exact paths, and those of which a route takes the whole rest. */
function hotRoutes(routes: readonly Route[]): (request: IncomingMessage) => Found | null {
  const hot = routes.filter((route) => route.hot)
  const exact = new Map(hot.filter((route) => !takesRest(route)).map((route) => [nameOf(route), route]))
  const open = hot.filter(takesRest)
  return (request) => {
    const path = pathOf(request)
    const route = exact.get(`${request.method ?? ''} ${path}`)
    if (route !== undefined) return { route, path: {} }
    for (const one of open) {
      const [before = '', name = ''] = one.path.split(/\{\+|\}/)
      const isAsked = request.method === one.method || (request.method === 'HEAD' && one.method === 'GET')
      if (isAsked && path.startsWith(before)) return { route: one, path: { [name]: path.slice(before.length) } }
    }
    return null
  }
}

function nameOf({ method, path }: Route): string {
  return `${method} ${path}`
}

function takesRest({ path }: Route): boolean {
  return path.includes('{+')
}

function pathOf(request: IncomingMessage): string {
  const url = request.url ?? ''
  const end = url.indexOf('?')
  return end === -1 ? url : url.slice(0, end)
}

function expressOf(routes: readonly Route[], options: ServeOptions): Express {
  const app = express()
  for (const flag of ['x-powered-by', 'etag', 'query parser'] as const) app.disable(flag)
  app.enable('case sensitive routing')
  app.enable('strict routing')
  for (const route of routes.filter((one) => !takesRest(one))) {
    const path = route.path.replaceAll(/\{([a-z_]+)\}/g, ':$1')
    app[lowerCase(route.method)](path, (request: Request, response: Response) => {
      void serve(options, { request, response, route, path: request.params as Record<string, string> })
    })
  }
  app.use((request: Request, response: Response) => {
    void serve(options, { request, response, route: unmatched(routes, request), path: {} })
  })
  // Express decodes path parameters itself and throws where the percent-encoding is broken.
  app.use((_error: unknown, request: Request, response: Response, _next: NextFunction) => {
    void serve(options, { request, response, route: refusing('ROUTE_NOT_FOUND'), path: {} })
  })
  return app
}

const EXPRESS = { GET: 'get', POST: 'post', PUT: 'put', PATCH: 'patch', DELETE: 'delete', OPTIONS: 'options' } as const

function lowerCase(method: Method): (typeof EXPRESS)[Method] {
  return EXPRESS[method]
}

function unmatched(routes: readonly Route[], request: IncomingMessage): Route {
  const path = pathOf(request)
  const methods = routes.filter((route) => patternOf(route.path).test(path)).map((route) => route.method)
  if (methods.length === 0) return refusing('ROUTE_NOT_FOUND')
  const allow = [...new Set(methods.flatMap((method) => (method === 'GET' ? ['GET', 'HEAD'] : [method])))].join(', ')
  return refusing('METHOD_NOT_ALLOWED', allow)
}

function patternOf(path: string): RegExp {
  const escaped = path.replaceAll('.', '\\.').replaceAll(/\{\+[a-z_]+\}/g, '.+')
  return new RegExp(`^${escaped.replaceAll(/\{[a-z_]+\}/g, '[^/]+')}$`)
}

/** A route that only refuses: callers come to it through the same limits as to any other. */
function refusing(
  code: 'ROUTE_NOT_FOUND' | 'METHOD_NOT_ALLOWED' | 'SERVER_STOPPING' | 'SERVER_OVERLOADED',
  allow = '',
): Route {
  const run = (): Promise<Answer> => Promise.reject(httpError(code, { details: { allow } }))
  return {
    id: code,
    summary: code,
    method: 'GET',
    path: code,
    surface: 'api',
    callers: ['anyone'],
    takes: 'ignored',
    limits: { maxBytes: 0, maxDepth: 0, within: 0 },
    errors: 'problem',
    schema: { body: noBody, query: noQuery, answer: null },
    status: 500,
    hot: false,
    run,
  }
}
