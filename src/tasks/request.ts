import { tasksError } from './errors.ts'
import { covers } from './narrower.ts'
import type { AuthorizationDetail } from './records.ts'
import { scopeOf } from './scope.ts'

/** What an exchange asks for, parsed. Null is what it left out. */
export interface Asked {
  readonly audience: string
  readonly authority: readonly AuthorizationDetail[] | null
  readonly scope: readonly string[] | null
}

/**
 * What is granted of `available`: exactly what was asked for, or a refusal; nothing is narrowed silently. Without
 * authorization details it is all that is available for the resource, cut down to the scope where one was sent.
 * @throws TARGET_NOT_GRANTED, AUTHORIZATION_DETAILS_WIDENED, SCOPE_WIDENED, INVALID_SCOPE
 */
export function grantedOf(asked: Asked, available: readonly AuthorizationDetail[]): readonly AuthorizationDetail[] {
  const here = available.filter((detail) => detail.resource === asked.audience)
  if (here.length === 0) throw tasksError('TARGET_NOT_GRANTED')
  if (asked.authority === null) return asked.scope === null ? here : cutToScope(here, asked.scope)
  if (!covers(here, asked.authority)) throw tasksError('AUTHORIZATION_DETAILS_WIDENED')
  if (asked.scope !== null) requireSame(asked.scope, asked.authority)
  return asked.authority
}

function cutToScope(
  authority: readonly AuthorizationDetail[],
  scope: readonly string[],
): readonly AuthorizationDetail[] {
  const known = new Set(authority.flatMap((detail) => detail.actions))
  if (!scope.every((action) => known.has(action))) throw tasksError('SCOPE_WIDENED')
  return authority
    .map((detail) => ({ ...detail, actions: detail.actions.filter((action) => scope.includes(action)) }))
    .filter((detail) => detail.actions.length > 0)
}

/** Where both are sent they must agree: otherwise nobody can say which of them was meant. */
function requireSame(scope: readonly string[], authority: readonly AuthorizationDetail[]): void {
  const known = new Set(authority.flatMap((detail) => detail.actions))
  if (!scope.every((action) => known.has(action))) throw tasksError('SCOPE_WIDENED')
  if ([...scope].sort().join(' ') !== scopeOf(authority)) throw tasksError('INVALID_SCOPE')
}
