import { after, MINUTE, type Instant } from '#kernel/instant.ts'
import type { JsonObject } from '#kernel/json.ts'
import { ClaimReader } from './claims.ts'
import { parseCompact } from './compact.ts'
import { jwtError } from './errors.ts'
import { MAX_PROOF_LENGTH, MAX_PROOF_LIFETIME, renamed, tokenHash, type Renaming } from './proof-claims.ts'
import { checkSignature } from './verify.ts'
import type { WitSvid } from './wit-svid.ts'

export interface WorkloadProofRules {
  /** Its key and its algorithm are the proof's; the proof is for this very text. */
  readonly identity: WitSvid
  /** The target URI of the request, without query and fragment. */
  readonly audience: string
  readonly now: Instant
  /** The tokens that the request carries; a proof without their hashes would let somebody else's be slipped in. */
  readonly accessToken?: string | undefined
  readonly transactionToken?: string | undefined
}

const NAMES: Renaming = {
  JWT_TOO_LARGE: 'WPT_MALFORMED',
  JWT_MALFORMED: 'WPT_MALFORMED',
  JWT_JSON_INVALID: 'WPT_MALFORMED',
  JWT_HEADER_NOT_ALLOWED: 'WPT_MALFORMED',
  JWT_HEADER_INVALID: 'WPT_MALFORMED',
  JWT_TYPE_WRONG: 'WPT_TYPE_WRONG',
  JWT_ALGORITHM_NOT_ALLOWED: 'WPT_ALGORITHM_WRONG',
  JWT_CLAIM_MISSING: 'WPT_CLAIM_INVALID',
  JWT_CLAIM_INVALID: 'WPT_CLAIM_INVALID',
  JWT_SIGNATURE_INVALID: 'WPT_SIGNATURE_INVALID',
}

/**
 * A Workload Proof Token that was verified for one request (draft-ietf-wimse-wpt-00 section 2.3; SPIFFE WIT-SVID
 * section 5): its sender holds the key of the identity token. That it was not used before is still to be seen.
 */
export class WorkloadProof {
  readonly id: string
  readonly #keyId: string
  readonly expiresAt: Instant

  private constructor(keyId: string, id: string, expiresAt: Instant) {
    this.#keyId = keyId
    this.id = id
    this.expiresAt = expiresAt
  }

  /**
   * @throws WPT_MALFORMED, WPT_TYPE_WRONG, WPT_ALGORITHM_WRONG, WPT_CLAIM_INVALID, WPT_AUDIENCE_WRONG, WPT_EXPIRED,
   *   WPT_LIFETIME_TOO_LONG, WPT_IDENTITY_HASH_WRONG, WPT_ACCESS_TOKEN_HASH_WRONG, WPT_TRANSACTION_TOKEN_HASH_WRONG,
   *   WPT_OTHER_TOKEN_UNKNOWN, WPT_SIGNATURE_INVALID
   */
  static verify(text: string, rules: WorkloadProofRules): WorkloadProof {
    return renamed(NAMES, () => {
      const token = parseCompact(text, 'workload-proof', MAX_PROOF_LENGTH)
      const { key } = rules.identity
      if (!key.algorithms.includes(token.header.alg)) throw jwtError('WPT_ALGORITHM_WRONG')
      const claims = readClaims(token.claims)
      checkRequest(claims, rules)
      checkHashes(claims, rules)
      checkSignature(token, key)
      return new WorkloadProof(key.kid, claims.id, claims.expiresAt)
    })
  }

  /** What is remembered of it; of a fixed length, whatever its `jti`. */
  get replayKey(): string {
    return `wpt:${this.#keyId}:${tokenHash(this.id)}`
  }

  /** Longer than it lives, since the clock of another replica may be behind. */
  get rememberUntil(): Instant {
    return after(this.expiresAt, MINUTE)
  }
}

interface Claims {
  readonly id: string
  readonly audience: string
  readonly expiresAt: Instant
  readonly identityHash: string
  readonly accessTokenHash: string | undefined
  readonly transactionTokenHash: string | undefined
}

function readClaims(json: JsonObject): Claims {
  const reader = new ClaimReader(json)
  // Whatever it is that the sender wants to have proved with it, nobody here can check it.
  if (reader.has('oth')) throw jwtError('WPT_OTHER_TOKEN_UNKNOWN')
  return {
    id: reader.string('jti'),
    audience: reader.string('aud'),
    expiresAt: reader.instant('exp'),
    identityHash: reader.string('wth'),
    accessTokenHash: reader.optionalString('ath'),
    transactionTokenHash: reader.optionalString('tth'),
  }
}

function checkRequest(claims: Claims, { audience, now }: WorkloadProofRules): void {
  if (claims.audience !== audience) throw jwtError('WPT_AUDIENCE_WRONG')
  if (now >= claims.expiresAt) throw jwtError('WPT_EXPIRED')
  if (claims.expiresAt > now + MAX_PROOF_LIFETIME) throw jwtError('WPT_LIFETIME_TOO_LONG')
}

/** A hash for a token that is not there is as wrong as a missing one. */
function checkHashes(claims: Claims, { identity, accessToken, transactionToken }: WorkloadProofRules): void {
  if (claims.identityHash !== tokenHash(identity.text)) throw jwtError('WPT_IDENTITY_HASH_WRONG')
  if (claims.accessTokenHash !== hashOf(accessToken)) throw jwtError('WPT_ACCESS_TOKEN_HASH_WRONG')
  if (claims.transactionTokenHash !== hashOf(transactionToken)) throw jwtError('WPT_TRANSACTION_TOKEN_HASH_WRONG')
}

function hashOf(token: string | undefined): string | undefined {
  return token === undefined ? undefined : tokenHash(token)
}
