import { z } from 'zod'
import { haveNamesOfTheirOwn, issuerFields } from './issuer.ts'

const { name, issuer, jwks_file, ca_file, allow_private } = issuerFields

const userIssuer = z.strictObject({
  name,
  issuer,
  /** Ours at the issuer: the only `aud` of its ID tokens that are for us. */
  client_id: z.string().min(1).max(512),
  jwks_file,
  ca_file,
  allow_private,
  /** How many seconds ago a user may have signed in. */
  max_age: z.int().min(60).max(86_400).default(3_600),
})

/** Identity providers whose users agents may work for. A user is of one of them only. */
export const usersSchema = z
  .array(userIssuer)
  .max(16)
  .refine(haveNamesOfTheirOwn, 'names differ')
  .refine((list) => new Set(list.map((one) => one.issuer)).size === list.length, 'issuers differ')
  .default([])
export type UserIssuerConfig = z.output<typeof userIssuer>
