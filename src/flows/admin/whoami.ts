import type { Caller, Identity, Role } from '#authentication/index.ts'

export interface WhoAmI {
  readonly kind: Identity['kind']
  /** A SPIFFE ID, `local:<uid>` or `anonymous`. */
  readonly name: string
  /** Name of the agent, and its instance. */
  readonly agent: string | null
  readonly instance: string | null
  readonly roles: readonly Role[]
}

/** What this server takes the caller for. Anyone may ask. */
export function whoami(caller: Caller): WhoAmI {
  const { identity } = caller
  const holder = identity.kind === 'agent' ? identity : identity.kind === 'principal' ? identity.holder : null
  const roles = identity.kind === 'principal' || identity.kind === 'local' ? identity.principal.roles : []
  return {
    kind: identity.kind,
    name: caller.name,
    agent: holder?.agent.name ?? null,
    instance: holder?.instance.id ?? null,
    roles,
  }
}
