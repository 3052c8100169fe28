import type { AuthorityRecord } from '#authority/index.ts'
import { after, DAY, instant, type Instant } from '#kernel/instant.ts'
import { jwkFromSpki, thumbprint } from '#jwt/index.ts'
import { newKeyPair, type KeyPair } from './x509.ts'

export const AUTHORITY_NOW: Instant = instant(1_797_840_000_000)

const KEY = newKeyPair()

/** A token authority for tests of states and times; give it a key where the key matters. */
export function authorityRecord(changes: Partial<AuthorityRecord> = {}, key: KeyPair = KEY): AuthorityRecord {
  return {
    id: 'aut_00000000000000000000000001',
    kind: 'jwt-svid',
    algorithm: 'ES256',
    keyReference: 'memory:one',
    publicKey: key.publicKey.spki,
    kid: thumbprint(jwkFromSpki(key.publicKey.spki)),
    certificate: null,
    issuer: null,
    state: 'active',
    notBefore: AUTHORITY_NOW,
    notAfter: after(AUTHORITY_NOW, 30 * DAY),
    version: 1,
    createdAt: AUTHORITY_NOW,
    publishedAt: null,
    activatedAt: null,
    retiredAt: null,
    ...changes,
  }
}
