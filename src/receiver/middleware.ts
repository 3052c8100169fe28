import type { Milliseconds } from '#kernel/instant.ts'
import type { Access, Operation } from './access.ts'
import type { HttpRequest } from './authorization-header.ts'
import type { Receiver } from './receiver.ts'
import { refusalOf, type Challenge } from './refusal.ts'

/** A response; those of node:http, node:https and express have this form. */
export interface HttpResponse {
  statusCode: number
  setHeader(name: string, value: string): unknown
  end(body: string): unknown
}

/** What a route needs; what depends on the request is told by a function. */
export interface Requirement<Request extends HttpRequest = HttpRequest> {
  readonly actions: readonly string[]
  readonly identifiers?: (request: Request) => readonly string[]
  readonly quantities?: (request: Request) => Readonly<Record<string, number>>
  /** How old the view of what was revoked may be here; it can only lower the limit of the receiver. */
  readonly maxViewAge?: Milliseconds
}

export type Middleware<Request extends HttpRequest> = (
  request: Request,
  response: HttpResponse,
  next: (error?: unknown) => void,
) => Promise<void>

/** Where `requireTask` leaves what it found out. */
const found = new WeakMap<HttpRequest, Access>()

/** The access of a request that passed `requireTask`; undefined for any other. */
export function accessOf(request: HttpRequest): Access | undefined {
  return found.get(request)
}

/**
 * Express middleware: lets a request pass when its caller is authenticated and its task allows what the route needs.
 * Everything else is answered here, as RFC 6750 section 3 says.
 * @throws RECEIVER_OPTIONS_INVALID
 */
export function requireTask<Request extends HttpRequest>(
  receiver: Receiver,
  requirement: Requirement<Request>,
): Middleware<Request> {
  const { actions, maxViewAge } = requirement
  receiver.requireKept({ maxViewAge })
  return async (request, response, next) => {
    try {
      const access = await receiver.authenticate(request, { maxViewAge })
      access.authorize(operationOf(requirement, request))
      found.set(request, access)
    } catch (error) {
      refuse(response, error, { actions, challenge: receiver.challenge })
      return
    }
    next()
  }
}

function operationOf<Request extends HttpRequest>(requirement: Requirement<Request>, request: Request): Operation {
  const { actions, identifiers, quantities } = requirement
  return {
    actions,
    ...(identifiers === undefined ? {} : { identifiers: identifiers(request) }),
    ...(quantities === undefined ? {} : { quantities: quantities(request) }),
  }
}

/** Answers a request that was refused. */
export function refuse(
  response: HttpResponse,
  error: unknown,
  about: { readonly actions?: readonly string[]; readonly challenge?: Challenge } = {},
): void {
  const refusal = refusalOf(error, about.actions, about.challenge)
  response.statusCode = refusal.status
  for (const [name, value] of Object.entries(refusal.headers)) response.setHeader(name, value)
  response.end(refusal.body)
}
