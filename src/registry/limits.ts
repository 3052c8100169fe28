import { DAY, HOUR, MINUTE, SECOND, type Milliseconds } from '#kernel/instant.ts'
import { registryError } from './errors.ts'

interface Range {
  readonly least: number
  readonly most: number
  readonly usual: number
}

/** What an agent gets where its registration says nothing, and between what it may choose. */
export const AGENT_LIMITS = {
  x509Lifetime: { least: 5 * MINUTE, most: DAY, usual: HOUR },
  jwtLifetime: { least: 30 * SECOND, most: HOUR, usual: 5 * MINUTE },
  tokenLifetime: { least: 10 * SECOND, most: 300 * SECOND, usual: 180 * SECOND },
  maxAttestationAge: { least: 5 * MINUTE, most: 3650 * DAY, usual: 365 * DAY },
  renewGrace: { least: 0, most: 30 * DAY, usual: DAY },
  maxTaskLifetime: { least: MINUTE, most: 30 * DAY, usual: DAY },
  maxDepth: { least: 0, most: 16, usual: 3 },
} as const satisfies Readonly<Record<string, Range>>

export type LimitName = keyof typeof AGENT_LIMITS
export type Limits = Readonly<Record<LimitName, number>>

/**
 * Times in milliseconds. Those that end up in certificates and tokens are whole seconds, since these cannot say more.
 * @throws AGENT_LIMIT_INVALID
 */
export function parseLimits(wanted: { readonly [Name in LimitName]?: Milliseconds | undefined }): Limits {
  const limit = (name: LimitName): number => parseLimit(name, wanted[name])
  return {
    x509Lifetime: limit('x509Lifetime'),
    jwtLifetime: limit('jwtLifetime'),
    tokenLifetime: limit('tokenLifetime'),
    maxAttestationAge: limit('maxAttestationAge'),
    renewGrace: limit('renewGrace'),
    maxTaskLifetime: limit('maxTaskLifetime'),
    maxDepth: limit('maxDepth'),
  }
}

function parseLimit(name: LimitName, wanted: number | undefined): number {
  const range = AGENT_LIMITS[name]
  const value = wanted ?? range.usual
  const whole = Number.isSafeInteger(value) && (name === 'maxDepth' || value % SECOND === 0)
  if (!whole || value < range.least || value > range.most) {
    throw registryError('AGENT_LIMIT_INVALID', {
      message: `${name} must be from ${String(range.least)} to ${String(range.most)}`,
      details: { limit: name, least: range.least, most: range.most },
    })
  }
  return value
}
