import type { IssuerKeys } from '#attestation/index.ts'
import { KeySet } from '#jwt/index.ts'
import { HOUR } from '#kernel/instant.ts'
import { WritError } from '#kernel/errors.ts'
import type { UserIssuer, Users } from '#tasks/index.ts'
import { newTestKey } from '../support/keys.ts'

/** Identity providers with one key each that never changes. */
export const IDP_KEYS = { corp: newTestKey(), partner: newTestKey() }
const UNAVAILABLE = 'OUTBOUND_UNREACHABLE'

export const CORP: UserIssuer = {
  name: 'corp',
  issuer: 'https://login.corp.example',
  clientId: 'writ-at-corp',
  maxAge: HOUR,
}
export const PARTNER: UserIssuer = {
  name: 'partner',
  issuer: 'https://login.partner.example',
  clientId: 'writ-at-partner',
  maxAge: HOUR,
}

/** The port over pinned keys, by the name of the issuer; one that has none is away. */
export function pinnedKeys(keys: Readonly<Record<string, KeySet>>): IssuerKeys {
  return {
    verifyWith: (issuer, verify) => {
      const own = keys[issuer]
      if (own === undefined) return Promise.reject(new WritError(UNAVAILABLE, 'away'))
      return Promise.resolve().then(() => verify(own))
    },
  }
}

export const USERS: Users = {
  issuers: [CORP, PARTNER],
  keys: pinnedKeys({
    corp: new KeySet([IDP_KEYS.corp.verificationKey]),
    partner: new KeySet([IDP_KEYS.partner.verificationKey]),
  }),
}

export const NO_USERS: Users = { issuers: [], keys: pinnedKeys({}) }
