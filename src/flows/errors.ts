import { ATTESTATION_ERRORS } from '#attestation/index.ts'
import { AUDIT_ERRORS } from '#audit/index.ts'
import { AUTHENTICATION_ERRORS } from '#authentication/index.ts'
import { AUTHORITY_ERRORS } from '#authority/index.ts'
import { ISSUANCE_ERRORS } from '#issuance/index.ts'
import { JWT_ERRORS } from '#jwt/index.ts'
import { KERNEL_ERRORS, type ErrorTable } from '#kernel/errors.ts'
import { APPROVAL_ERRORS, POLICY_ERRORS } from '#policy/index.ts'
import { REGISTRY_ERRORS } from '#registry/index.ts'
import { REVOCATION_ERRORS } from '#revocation/index.ts'
import { SPIFFE_ERRORS } from '#spiffe/index.ts'
import { TASKS_ERRORS } from '#tasks/index.ts'
import { TPM_ERRORS } from '#tpm/index.ts'
import { WIRE_ERRORS } from '#wire/index.ts'
import { X509_ERRORS } from '#x509/index.ts'
import { AUTHZ_ERRORS } from './authorize/errors.ts'
import { CEREMONY_ERRORS } from './ceremony/errors.ts'
import { FEED_ERRORS } from './feed/errors.ts'
import { JWT_SVID_ERRORS } from './issue-jwt-svid.ts'
import { OAUTH_ERRORS } from './oauth-errors.ts'
import { PAGE_ERRORS } from './pages.ts'
import { RENEWAL_INFO_ERRORS } from './renewal-info.ts'
import { SSF_ERRORS } from './ssf/errors.ts'

/** What the codecs refuse: somebody sent something malformed. */
export const CODEC_ERRORS = {
  ...KERNEL_ERRORS,
  ...SPIFFE_ERRORS,
  ...X509_ERRORS,
  ...JWT_ERRORS,
  ...TPM_ERRORS,
  ...WIRE_ERRORS,
} as const satisfies ErrorTable

/** What the rooms refuse. */
export const ROOM_ERRORS = {
  ...AUTHENTICATION_ERRORS,
  ...ATTESTATION_ERRORS,
  ...REGISTRY_ERRORS,
  ...POLICY_ERRORS,
  ...APPROVAL_ERRORS,
  ...AUTHORITY_ERRORS,
  ...AUDIT_ERRORS,
  ...ISSUANCE_ERRORS,
  ...REVOCATION_ERRORS,
  ...TASKS_ERRORS,
} as const satisfies ErrorTable

/** What is refused where rooms are joined. */
export const FLOW_ERRORS = {
  ...AUTHZ_ERRORS,
  ...CEREMONY_ERRORS,
  ...FEED_ERRORS,
  ...JWT_SVID_ERRORS,
  ...OAUTH_ERRORS,
  ...PAGE_ERRORS,
  ...RENEWAL_INFO_ERRORS,
  ...SSF_ERRORS,
} as const satisfies ErrorTable

/** Every code that a story can fail with, and its sentence; the two are joined here and nowhere else. */
export const ERRORS = { ...CODEC_ERRORS, ...ROOM_ERRORS, ...FLOW_ERRORS } as const satisfies ErrorTable

export type CodecErrorCode = keyof typeof CODEC_ERRORS
export type ErrorCode = keyof typeof ERRORS
