import { after, MINUTE, type Instant } from '#kernel/instant.ts'
import type { JsonObject } from '#kernel/json.ts'
import { parsePublicJwk, type PublicJwk } from '#spiffe/index.ts'
import { ClaimReader } from './claims.ts'
import { parseCompact, type UnverifiedToken } from './compact.ts'
import { jwtError } from './errors.ts'
import { thumbprint } from './jwk.ts'
import { VerificationKey } from './key-set.ts'
import { MAX_PROOF_LENGTH, MAX_PROOF_LIFETIME, renamed, tokenHash, type Renaming } from './proof-claims.ts'
import { isSameUri } from './request-uri.ts'
import { checkSignature } from './verify.ts'

export interface DpopRules {
  readonly method: string
  /** The URL of the request as the client knows it; query and fragment do not count. */
  readonly uri: string
  readonly now: Instant
  /** The access token of the same request, and the key that it is bound to, where there is one. */
  readonly bound?: { readonly accessToken: string; readonly jkt: string }
}

const NAMES: Renaming = {
  JWT_TOO_LARGE: 'DPOP_PROOF_MALFORMED',
  JWT_MALFORMED: 'DPOP_PROOF_MALFORMED',
  JWT_JSON_INVALID: 'DPOP_PROOF_MALFORMED',
  JWT_HEADER_NOT_ALLOWED: 'DPOP_PROOF_MALFORMED',
  JWT_HEADER_INVALID: 'DPOP_PROOF_MALFORMED',
  JWT_TYPE_WRONG: 'DPOP_TYPE_WRONG',
  JWT_ALGORITHM_NOT_ALLOWED: 'DPOP_ALGORITHM_NOT_ALLOWED',
  JWT_CLAIM_MISSING: 'DPOP_CLAIM_INVALID',
  JWT_CLAIM_INVALID: 'DPOP_CLAIM_INVALID',
  JWT_SIGNATURE_INVALID: 'DPOP_SIGNATURE_INVALID',
  JWT_KEY_UNSUPPORTED: 'DPOP_KEY_INVALID',
  JWK_MALFORMED: 'DPOP_KEY_INVALID',
  JWK_SIZE: 'DPOP_KEY_INVALID',
  JWK_NOT_PUBLIC: 'DPOP_KEY_PRIVATE',
}

/**
 * A DPoP proof that was verified for one request (RFC 9449 section 4.3). Two things are still to be seen, since they
 * need a memory: that its nonce is one of ours, and that it was not used before.
 */
export class DpopProof {
  /** RFC 7638 thumbprint of the key that signed. */
  readonly jkt: string
  readonly key: PublicJwk
  readonly id: string
  readonly nonce: string | undefined
  /** Until then somebody may take it for fresh: it must be remembered for as long. */
  readonly rememberUntil: Instant
  // Makes the type nominal: an object of this shape is no proof.
  readonly #verified = true

  private constructor(key: PublicJwk, claims: Claims) {
    this.key = key
    this.jkt = thumbprint(key)
    this.id = claims.id
    this.nonce = claims.nonce
    this.rememberUntil = after(claims.issuedAt, MAX_PROOF_LIFETIME + MINUTE)
  }

  /**
   * Every check of RFC 9449 section 4.3 that needs nothing but the request. `headers` are all values of the DPoP
   * header. What costs no cryptography comes first.
   * @throws DPOP_PROOF_MULTIPLE, DPOP_PROOF_MALFORMED, DPOP_TYPE_WRONG, DPOP_ALGORITHM_NOT_ALLOWED, DPOP_KEY_INVALID,
   *   DPOP_KEY_PRIVATE, DPOP_CLAIM_INVALID, DPOP_METHOD_WRONG, DPOP_URI_WRONG, DPOP_PROOF_STALE,
   *   DPOP_TOKEN_HASH_WRONG, DPOP_KEY_MISMATCH, DPOP_SIGNATURE_INVALID
   */
  static verify(headers: readonly string[], rules: DpopRules): DpopProof {
    const [text] = headers
    if (text === undefined || headers.length > 1) throw jwtError('DPOP_PROOF_MULTIPLE')
    return renamed(NAMES, () => {
      const token = parseCompact(text, 'dpop-proof', MAX_PROOF_LENGTH)
      const key = readKey(token)
      const claims = readClaims(token.claims)
      checkRequest(claims, rules)
      const proof = new DpopProof(key.jwk, claims)
      checkBinding(proof, claims, rules)
      checkSignature(token, key)
      return proof
    })
  }

  get verified(): boolean {
    return this.#verified
  }

  /** What is remembered of it; of a fixed length, whatever its `jti`. */
  get replayKey(): string {
    return `dpop:${this.jkt}:${tokenHash(this.id)}`
  }
}

function readKey({ header }: UnverifiedToken): VerificationKey {
  const jwk = parsePublicJwk(header.jwk ?? {})
  if (jwk === undefined) throw jwtError('DPOP_KEY_INVALID')
  return new VerificationKey(thumbprint(jwk), jwk, header.alg)
}

interface Claims {
  readonly id: string
  readonly method: string
  readonly uri: string
  readonly issuedAt: Instant
  readonly nonce: string | undefined
  readonly accessTokenHash: string | undefined
}

/** RFC 9449 section 4.2; claims that it does not name mean nothing. */
function readClaims(json: JsonObject): Claims {
  const reader = new ClaimReader(json)
  return {
    id: reader.string('jti'),
    method: reader.string('htm'),
    uri: reader.string('htu'),
    issuedAt: reader.instant('iat'),
    nonce: reader.optionalString('nonce'),
    accessTokenHash: reader.optionalString('ath'),
  }
}

function checkRequest(claims: Claims, rules: DpopRules): void {
  if (claims.method !== rules.method) throw jwtError('DPOP_METHOD_WRONG')
  if (!isSameUri(claims.uri, rules.uri)) throw jwtError('DPOP_URI_WRONG')
  if (Math.abs(rules.now - claims.issuedAt) > MAX_PROOF_LIFETIME) throw jwtError('DPOP_PROOF_STALE')
}

function checkBinding(proof: DpopProof, claims: Claims, { bound }: DpopRules): void {
  if (bound === undefined) return
  if (claims.accessTokenHash !== tokenHash(bound.accessToken)) throw jwtError('DPOP_TOKEN_HASH_WRONG')
  if (proof.jkt !== bound.jkt) throw jwtError('DPOP_KEY_MISMATCH')
}
