import { toNumericDate, type Instant } from '#kernel/instant.ts'
import type { JsonObject } from '#kernel/json.ts'

export interface IntrospectionFields {
  readonly issuer: string
  /** Who asked. */
  readonly audience: string
  readonly issuedAt: Instant
  /** What the plain answer would have been. */
  readonly answer: JsonObject
}

/** RFC 9701 section 5: the answer is a member of its own; `sub` and `exp` are left out, so that it is no token. */
export function introspectionClaims(fields: IntrospectionFields): JsonObject {
  return {
    iss: fields.issuer,
    aud: fields.audience,
    iat: toNumericDate(fields.issuedAt),
    token_introspection: fields.answer,
  }
}
