import type { RevocationReason as CrlReason } from '#x509/index.ts'

/** The words of requests and rows, and what RFC 5280 section 5.3.1 calls them. */
const CRL_REASONS: Readonly<Record<string, CrlReason>> = {
  key_compromise: 'keyCompromise',
  ca_compromise: 'cACompromise',
  affiliation_changed: 'affiliationChanged',
  superseded: 'superseded',
  cessation_of_operation: 'cessationOfOperation',
  privilege_withdrawn: 'privilegeWithdrawn',
  'agent.retired': 'cessationOfOperation',
}

/** What CRLs and OCSP answers say of a stored reason; a word of ours that RFC 5280 has not is `unspecified`. */
export function crlReasonOf(reason: string): CrlReason {
  return Object.hasOwn(CRL_REASONS, reason) ? (CRL_REASONS[reason] ?? 'unspecified') : 'unspecified'
}
