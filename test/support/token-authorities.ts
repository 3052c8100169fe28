import { AuthoritySet, type AuthorityRecord } from '#authority/index.ts'
import { after, DAY, type Instant } from '#kernel/instant.ts'
import type { TrustDomain } from '#spiffe/index.ts'
import { newTestKey, type TestKey } from './keys.ts'

/** Made once: what a key is has no influence on the tests that use them. */
export const TOKEN_KEYS = {
  'access-token': newTestKey(),
  'jwt-svid': newTestKey(),
  status: newTestKey(),
  events: newTestKey('RS256'),
}

/** The authorities that sign what an exchange takes and gives, and answers about it, all active. */
export function tokenAuthorities(trustDomain: TrustDomain, now: Instant): AuthoritySet {
  const kinds = ['access-token', 'jwt-svid', 'status', 'events'] as const
  const signers = new Map(kinds.map((kind) => [`aut_${kind}`, TOKEN_KEYS[kind].signer]))
  const records = kinds.map((kind) => authority(kind, TOKEN_KEYS[kind], now))
  return AuthoritySet.of({ trustDomain, records, signers })
}

function authority(kind: keyof typeof TOKEN_KEYS, key: TestKey, now: Instant): AuthorityRecord {
  return {
    id: `aut_${kind}`,
    kind,
    algorithm: key.signer.algorithm,
    keyReference: kind,
    publicKey: key.signer.publicKey,
    kid: key.kid,
    certificate: null,
    issuer: null,
    state: 'active',
    notBefore: now,
    notAfter: after(now, 30 * DAY),
    version: 1,
    createdAt: now,
    publishedAt: now,
    activatedAt: now,
    retiredAt: null,
  }
}
