import type { Bytes } from '#kernel/bytes.ts'
import { newId } from '#kernel/ids.ts'
import { after, DAY, MINUTE, type Instant, type Milliseconds } from '#kernel/instant.ts'
import type { Random } from '#kernel/random.ts'
import type { Secret } from '#kernel/secret.ts'
import { attestationError } from '../errors.ts'
import type { JoinTokenRecord } from '../records.ts'
import { newJoinTokenText } from './text.ts'

const USUAL_LIFETIME = 10 * MINUTE
const SHORTEST = MINUTE
const LONGEST = DAY

export interface JoinTokenOrder {
  /** The agent that it is for; one with selectors cannot be matched by a join token. */
  readonly agent: { readonly id: string; readonly selectors: readonly string[] }
  readonly lifetime: Milliseconds | null
  readonly createdBy: string
  /** SHA-256 of the SPKI of the anchors that the server's chain ends in; the first two are carried. */
  readonly pins: readonly Bytes[]
}

/**
 * A new join token: the row, and the text that is shown once.
 * @throws JOIN_TOKEN_LIFETIME, JOIN_TOKEN_AGENT_HAS_SELECTORS, JOIN_TOKEN_PIN_MISSING
 */
export function createJoinToken(
  order: JoinTokenOrder,
  now: Instant,
  random: Random,
): { readonly record: JoinTokenRecord; readonly text: Secret<string> } {
  const lifetime = order.lifetime ?? USUAL_LIFETIME
  if (!Number.isSafeInteger(lifetime) || lifetime < SHORTEST || lifetime > LONGEST) {
    throw attestationError('JOIN_TOKEN_LIFETIME')
  }
  if (order.agent.selectors.length > 0) throw attestationError('JOIN_TOKEN_AGENT_HAS_SELECTORS')
  if (order.pins.length === 0) throw attestationError('JOIN_TOKEN_PIN_MISSING')
  const { text, hash } = newJoinTokenText(order.pins, random)
  const record: JoinTokenRecord = {
    id: newId('joinToken', now, random),
    hash,
    agent: order.agent.id,
    createdBy: order.createdBy,
    createdAt: now,
    expiresAt: after(now, lifetime),
    redeemedAt: null,
    redeemedCsr: null,
    instance: null,
    deletedAt: null,
  }
  return { record, text }
}
