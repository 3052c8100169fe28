import { fromHex } from '#kernel/bytes.ts'
import { after, MINUTE, type Instant } from '#kernel/instant.ts'
import type { JsonObject } from '#kernel/json.ts'
import { attested, saltedDigest, type Attested } from '../attested.ts'
import type { AttestContext, Attestor } from '../attestor.ts'
import { attestationError } from '../errors.ts'
import type { JoinTokens } from '../ports.ts'
import type { JoinTokenRecord } from '../records.ts'
import { joinTokenHash } from './text.ts'

export const JOIN_TOKEN_ATTESTOR = 'join_token'

/** Promise 14: for so long a lost answer can be asked for again with the same token and certificate request. */
export const REPEAT_WINDOW = 10 * MINUTE

/**
 * Evidence `{token}`. The token proves which agent it was made for and nothing else, so it has no selectors; nobody
 * has seen where the key lives, so it is `software`. It is used up by the commit that records the enrollment.
 */
export function joinTokenAttestor(tokens: JoinTokens): Attestor {
  return {
    name: JOIN_TOKEN_ATTESTOR,
    begin: async (evidence, context) => ({ kind: 'attested', attested: await attest(tokens, evidence, context) }),
  }
}

async function attest(tokens: JoinTokens, evidence: JsonObject, context: AttestContext): Promise<Attested> {
  const { token } = evidence
  if (typeof token !== 'string' || Object.keys(evidence).length !== 1) throw attestationError('EVIDENCE_INVALID')
  const hash = joinTokenHash(token)
  const record = hash === null ? null : await tokens.findByHash(hash)
  if (record === null) throw attestationError('JOIN_TOKEN_UNKNOWN')
  const redeemedFor = checkUsable(record, context.csrDigest, context.now)
  return attested({
    attestor: JOIN_TOKEN_ATTESTOR,
    selectors: [],
    ...saltedDigest(fromHex(record.hash), context.random),
    keyClass: 'software',
    keyClassSource: 'declared',
    at: context.now,
    namedAgent: record.agent,
    consumption: { joinToken: record.id, csrDigest: context.csrDigest, redeemedFor },
  })
}

/** The instance of an earlier redemption for the same request, null for a token that is new; else a refusal. */
function checkUsable(record: JoinTokenRecord, csrDigest: string, now: Instant): string | null {
  if (record.redeemedAt !== null) {
    const again = record.redeemedCsr === csrDigest && now < after(record.redeemedAt, REPEAT_WINDOW)
    if (again && record.instance !== null) return record.instance
    throw attestationError('JOIN_TOKEN_USED', { details: { joinToken: record.id } })
  }
  if (record.deletedAt !== null) throw attestationError('JOIN_TOKEN_UNKNOWN', { details: { joinToken: record.id } })
  if (now >= record.expiresAt) throw attestationError('JOIN_TOKEN_EXPIRED', { details: { joinToken: record.id } })
  return null
}
