import { SECOND } from '#kernel/instant.ts'
import type { Users } from '#tasks/index.ts'
import type { UserIssuerConfig } from '../config/users.ts'
import { foreignIssuers, issuerKeysOf, type IssuerParts } from './issuers.ts'

/** The identity providers of the configuration, with their keys. @throws CONFIG_VALUE_INVALID */
export function usersOf(configured: readonly UserIssuerConfig[], parts: IssuerParts): Users {
  return {
    issuers: configured.map(({ name, issuer, client_id: clientId, max_age: age }) => ({
      name,
      issuer,
      clientId,
      maxAge: age * SECOND,
    })),
    keys: issuerKeysOf(foreignIssuers(configured, 'users'), parts),
  }
}
