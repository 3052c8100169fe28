import type { JsonObject, JsonValue } from '#kernel/json.ts'
import type { ApprovalRule, ApprovalRules } from '#policy/index.ts'

/** Kind of the command that ends an agent. */
export const RETIRED = 'agent.retired'

/** The rule for commands of a kind. */
export function ruleFor(rules: ApprovalRules, kind: string): ApprovalRule {
  return kind.startsWith('authority.') ? rules.authority : rules.massRevocation
}

/** A request as approvers see it: what was left out is left out. */
export function requestOf(fields: Readonly<Record<string, JsonValue | undefined>>): JsonObject {
  return Object.fromEntries(
    Object.entries(fields).filter((entry): entry is [string, JsonValue] => entry[1] !== undefined),
  )
}
