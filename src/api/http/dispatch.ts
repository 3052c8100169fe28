import type { IncomingMessage, RequestListener } from 'node:http'
import express, { type Express, type NextFunction, type Request, type Response } from 'express'
import { noBody, noQuery } from '#wire/index.ts'
import { httpError } from './errors.ts'
import type { Answer, Method, Route } from './route.ts'
import type { ServeOptions } from './door.ts'
import { serve } from './serve.ts'

export interface DispatchOptions extends ServeOptions {
  readonly routes: readonly Route[]
  /** Requests at work at once; what comes beyond is told to come back. */
  readonly maxInFlight: number
}

export interface Dispatcher {
  readonly listener: RequestListener
  readonly inFlight: number
  /** From now on every new request is refused with SERVER_STOPPING, on a connection that closes. */
  stop(): void
}

/** One table, two ways in: hot routes straight off the node server, the others through express. */
export function createDispatcher(options: DispatchOptions): Dispatcher {
  const { routes } = options
  const hot = new Map(routes.filter((route) => route.hot).map((route) => [`${route.method} ${route.path}`, route]))
  const cold = expressOf(options)
  let inFlight = 0
  let isStopping = false

  const listener: RequestListener = (request, response) => {
    inFlight++
    response.once('close', () => inFlight--)
    if (isStopping) response.setHeader('connection', 'close')
    const refusal = isStopping ? 'SERVER_STOPPING' : inFlight > options.maxInFlight ? 'SERVER_OVERLOADED' : null
    const route = hot.get(`${request.method ?? ''} ${pathOf(request)}`)
    if (refusal !== null) void serve(options, { request, response, route: refusing(refusal), path: {} })
    else if (route !== undefined) void serve(options, { request, response, route, path: {} })
    else cold(request, response)
  }
  return {
    listener,
    get inFlight() {
      return inFlight
    },
    stop() {
      isStopping = true
    },
  }
}

function pathOf(request: IncomingMessage): string {
  const url = request.url ?? ''
  const end = url.indexOf('?')
  return end === -1 ? url : url.slice(0, end)
}

function expressOf(options: DispatchOptions): Express {
  const app = express()
  for (const flag of ['x-powered-by', 'etag', 'query parser'] as const) app.disable(flag)
  app.enable('case sensitive routing')
  app.enable('strict routing')
  for (const route of options.routes) {
    const path = route.path.replaceAll(/\{([a-z_]+)\}/g, ':$1')
    app[lowerCase(route.method)](path, (request: Request, response: Response) => {
      void serve(options, { request, response, route, path: request.params as Record<string, string> })
    })
  }
  app.use((request: Request, response: Response) => {
    void serve(options, { request, response, route: unmatched(options.routes, request), path: {} })
  })
  // Express decodes path parameters itself and throws where the percent-encoding is broken.
  app.use((_error: unknown, request: Request, response: Response, _next: NextFunction) => {
    void serve(options, { request, response, route: refusing('ROUTE_NOT_FOUND'), path: {} })
  })
  return app
}

function lowerCase(method: Method): Lowercase<Method> {
  const names = { GET: 'get', POST: 'post', PUT: 'put', PATCH: 'patch', DELETE: 'delete' } as const
  return names[method]
}

function unmatched(routes: readonly Route[], request: IncomingMessage): Route {
  const path = pathOf(request)
  const methods = routes.filter((route) => patternOf(route.path).test(path)).map((route) => route.method)
  if (methods.length === 0) return refusing('ROUTE_NOT_FOUND')
  const allow = [...new Set(methods.flatMap((method) => (method === 'GET' ? ['GET', 'HEAD'] : [method])))].join(', ')
  return refusing('METHOD_NOT_ALLOWED', allow)
}

function patternOf(path: string): RegExp {
  return new RegExp(`^${path.replaceAll('.', '\\.').replaceAll(/\{[a-z_]+\}/g, '[^/]+')}$`)
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
