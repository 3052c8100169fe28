import type { PcrSelection } from '#tpm/index.ts'
import type { Certificate } from '#x509/index.ts'

/** One configured source of TPMs; selectors carry its name. */
export interface TpmProvider {
  readonly name: string
  /** Of manufacturers: their roots, or authorities under them. */
  readonly roots: readonly Certificate[]
  /** Endorsement keys that are known by themselves: SHA-256 of the DER SubjectPublicKeyInfo, hex. */
  readonly ekHashes: ReadonlySet<string>
  /** PCRs that have to be quoted; null for none. */
  readonly pcrs: PcrSelection | null
}
