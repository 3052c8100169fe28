import type { Caller, Role } from '#authentication/index.ts'
import type { CallerClass, Route } from './route.ts'

/** Whoever has been authenticated: agents and everybody with a role. What they may see, the flow decides. */
export const CLIENTS: readonly CallerClass[] = [
  'agent',
  'viewer',
  'auditor',
  'operator',
  'orchestrator',
  'approver',
  'ca-admin',
]

/**
 * Lets a caller on to a route that declares its class. What the flow allows beyond that is the flow's to decide.
 * @throws AUTHENTICATION_REQUIRED, CALLER_NOT_AGENT, ROLE_REQUIRED, CLIENT_CERTIFICATE_EXPIRED
 */
export function admit(caller: Caller, route: Pick<Route, 'callers' | 'authentication'>): void {
  const { callers, authentication } = route
  if (callers.includes('anyone')) return
  const { kind } = caller.identity
  if (callers.includes('local') && kind === 'local') return
  if (callers.includes('agent') && (kind === 'agent' || roles(callers).length === 0)) {
    if (authentication === 'renewal') caller.requireRenewable()
    else caller.requireAgent()
    return
  }
  caller.requireRole(...roles(callers))
}

function roles(callers: readonly CallerClass[]): readonly Role[] {
  return callers.filter((name) => name !== 'anyone' && name !== 'agent' && name !== 'local')
}
