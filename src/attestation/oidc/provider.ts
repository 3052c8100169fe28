import type { Milliseconds } from '#kernel/instant.ts'

/** A configured issuer of tokens that vouches for workloads; selectors carry its name. */
export interface OidcProvider {
  readonly name: string
  /** The exact `iss`. */
  readonly issuer: string
  /** The only `aud` that a token may have. */
  readonly audience: string
  /** `single`: a token is good for one enrollment. `while_valid`: for any number, each in place of the one before. */
  readonly use: 'single' | 'while_valid'
  /** Since `iat`. */
  readonly maxTokenAge: Milliseconds
  /** Paths of the claims that become selectors; null for every claim at the top, and what Kubernetes nests. */
  readonly claims: readonly string[] | null
  /** Paths of the claims that say which workload it is, for `while_valid`; all of them must be there. */
  readonly supersedesBy: readonly string[]
}
