import { after, fromNumericDate, SECOND, type Instant, type Milliseconds } from '#kernel/instant.ts'
import type { JsonObject, JsonValue } from '#kernel/json.ts'
import { jwtError } from './errors.ts'
import { isObject, isStringArray } from './json-shape.ts'

/** The most that two clocks may differ. */
export const MAX_SKEW: Milliseconds = 60 * SECOND
export const DEFAULT_SKEW: Milliseconds = 60 * SECOND

/** When a token is looked at, and how far the clocks may differ. */
export interface Moment {
  readonly now: Instant
  readonly skew?: Milliseconds
}

/** Reads claims: presence first, then type, then value. `null` is a value of a wrong type, never an absent claim. */
export class ClaimReader {
  readonly #claims: JsonObject

  constructor(claims: JsonObject) {
    this.#claims = claims
  }

  /** @throws JWT_CLAIM_NOT_ALLOWED when a claim is there that is not among `names` */
  only(names: readonly string[]): void {
    if (Object.keys(this.#claims).some((name) => !names.includes(name))) throw jwtError('JWT_CLAIM_NOT_ALLOWED')
  }

  has(name: string): boolean {
    return Object.hasOwn(this.#claims, name)
  }

  value(name: string): JsonValue {
    const value = this.has(name) ? this.#claims[name] : undefined
    if (value === undefined) throw jwtError('JWT_CLAIM_MISSING', { details: { claim: name } })
    return value
  }

  /** Not empty, at most 2048 characters, no control characters. */
  string(name: string): string {
    const value = this.value(name)
    if (typeof value !== 'string' || !isText(value)) throw invalid(name)
    return value
  }

  optionalString(name: string): string | undefined {
    return this.has(name) ? this.string(name) : undefined
  }

  strings(name: string): readonly string[] {
    const value = this.value(name)
    if (!isStringArray(value) || !value.every(isText)) throw invalid(name)
    return value
  }

  object(name: string): ClaimReader {
    const value = this.value(name)
    if (!isObject(value)) throw invalid(name)
    return new ClaimReader(value)
  }

  /** RFC 7519 section 2 NumericDate. */
  instant(name: string): Instant {
    const value = this.value(name)
    if (typeof value !== 'number') throw invalid(name)
    try {
      return fromNumericDate(value)
    } catch (cause) {
      throw jwtError('JWT_CLAIM_INVALID', { details: { claim: name }, cause })
    }
  }

  optionalInstant(name: string): Instant | undefined {
    return this.has(name) ? this.instant(name) : undefined
  }

  /** `aud` as a list: a string is a list of one (RFC 7519 section 4.1.3); never empty. */
  audience(): readonly string[] {
    const value = this.value('aud')
    const audience = typeof value === 'string' ? [value] : value
    if (!isStringArray(audience) || audience.length === 0 || !audience.every(isText)) throw invalid('aud')
    return audience
  }
}

export function invalid(claim: string): Error {
  return jwtError('JWT_CLAIM_INVALID', { details: { claim } })
}

const MAX_TEXT = 2048

function isText(value: string): boolean {
  return value !== '' && value.length <= MAX_TEXT && value.isWellFormed() && !/[\u0000-\u001f\u007f]/.test(value)
}

/**
 * Not expired, and begun. A missing `exp` is refused; `iat` in the future is refused like `nbf`.
 * @throws JWT_CLAIM_MISSING, JWT_CLAIM_INVALID, JWT_EXPIRED, JWT_NOT_YET_VALID, JWT_SKEW_OUT_OF_RANGE
 */
export function checkTimes(claims: ClaimReader, moment: Moment): void {
  const { now, skew = DEFAULT_SKEW } = moment
  if (!(skew >= 0 && skew <= MAX_SKEW)) throw jwtError('JWT_SKEW_OUT_OF_RANGE')
  const expiry = claims.instant('exp')
  const starts = [claims.optionalInstant('nbf'), claims.optionalInstant('iat')]
  if (now - skew >= expiry) throw jwtError('JWT_EXPIRED')
  if (starts.some((start) => start !== undefined && start > after(now, skew))) throw jwtError('JWT_NOT_YET_VALID')
}

/** @throws JWT_ISSUER_WRONG unless `iss` is exactly this text */
export function checkIssuer(claims: ClaimReader, issuer: string): void {
  if (claims.string('iss') !== issuer) throw jwtError('JWT_ISSUER_WRONG')
}

/** @throws JWT_AUDIENCE_WRONG unless `aud` names `audience`, and nobody else when it must be the sole one */
export function checkAudience(claims: ClaimReader, audience: string, rule: 'sole' | 'among'): void {
  const named = claims.audience()
  if (!named.includes(audience) || (rule === 'sole' && named.length !== 1)) throw jwtError('JWT_AUDIENCE_WRONG')
}
