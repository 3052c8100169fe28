import { z } from 'zod'
import { issuerFields, haveNamesOfTheirOwn } from './issuer.ts'

/** Claims within claims are separated by slashes; what a name may not hold is percent-encoded, as in selectors. */
const claimPath = z
  .string()
  .max(256)
  .regex(
    /^[\x21-\x2e\x30-\x39\x3b-\x7e]+(?:\/[\x21-\x2e\x30-\x39\x3b-\x7e]+){0,7}$/,
    'write it as claim or claim/inner',
  )
const paths = z.array(claimPath).min(1).max(32)

const oidcProvider = z
  .strictObject({
    ...issuerFields,
    /** `single`: a token is good for one enrollment. `while_valid`: for any number, each in place of the one before. */
    use: z.enum(['single', 'while_valid']),
    /** Seconds since `iat`: an hour for `single`, a day for `while_valid`, unless given. */
    max_token_age: z.int().min(60).max(86_400).optional(),
    /** The claims that become selectors; every one at the top, and what Kubernetes nests, unless given. */
    claims: paths.optional(),
    /** The claims that say which workload it is. */
    supersedes_by: paths.optional(),
  })
  .refine(({ use, supersedes_by: by }) => (use === 'while_valid') === (by !== undefined), {
    path: ['supersedes_by'],
    message: 'supersedes_by goes with use: while_valid, and while_valid needs it',
  })
export type OidcConfig = z.output<typeof oidcProvider>

/** Issuers whose tokens vouch for workloads. */
export const oidcProviders = z.array(oidcProvider).max(16).refine(haveNamesOfTheirOwn, 'names differ').default([])
