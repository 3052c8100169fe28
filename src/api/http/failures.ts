import { CODEC_ERRORS, type CodecErrorCode, type ErrorCode } from '#flows/errors.ts'
import { AUTHORITY_CONFLICTS, CEREMONY_CODES } from './authority-failures.ts'
import type { HttpErrorCode } from './errors.ts'
import { EVIDENCE_MALFORMED, EVIDENCE_REFUSED } from './evidence-failures.ts'
import { OUTBOUND_CODES } from './outbound-failures.ts'
import { USER_CODES } from './user-failures.ts'
import { DPOP_CODES, WORKLOAD_CODES } from './proof-failures.ts'

/** RFC 6749 section 5.2, RFC 8707 section 2, RFC 9396 section 5, RFC 7009 section 2.2.1. */
export type OauthCode =
  | 'invalid_request'
  | 'invalid_client'
  | 'invalid_grant'
  | 'unauthorized_client'
  | 'unsupported_grant_type'
  | 'unsupported_token_type'
  | 'invalid_scope'
  | 'invalid_target'
  | 'invalid_authorization_details'
  | 'access_denied'
  | 'invalid_dpop_proof'
  | 'use_dpop_nonce'
  | 'temporarily_unavailable'
  | 'server_error'

/** How one code looks from outside: the HTTP status, what OAuth calls it, and when to come back. */
export interface Failure {
  readonly status: number
  /** Where it is left out, the status says it. */
  readonly oauth?: OauthCode
  /** Seconds. */
  readonly retryAfter?: number
}

/** The failures of store and keys that a caller may hear of; every other one is INTERNAL_ERROR. */
type HomeCode = 'STORE_UNAVAILABLE' | 'STORE_OUTCOME_UNKNOWN' | 'STORE_CLOSED' | 'KEY_UNAVAILABLE'

type PublicCode = ErrorCode | HttpErrorCode | HomeCode | (typeof OUTBOUND_CODES)[number]

const UNAVAILABLE: Failure = { status: 503, retryAfter: 1 }
const DENIED: Failure = { status: 403, oauth: 'access_denied' }

function each<const Codes extends readonly PublicCode[]>(
  failure: Failure,
  codes: Codes,
): Record<Codes[number], Failure> {
  return Object.fromEntries(codes.map((code) => [code, failure])) as Record<Codes[number], Failure>
}

function everyCodec(failure: Failure): Record<CodecErrorCode, Failure> {
  return each(failure, Object.keys(CODEC_ERRORS) as CodecErrorCode[])
}

const TRANSPORT = {
  ...each({ status: 404 }, ['ROUTE_NOT_FOUND', 'PATH_INVALID']),
  ...each({ status: 405 }, ['METHOD_NOT_ALLOWED']),
  ...each({ status: 408 }, ['BODY_TOO_SLOW', 'BODY_CUT']),
  ...each({ status: 413 }, ['BODY_TOO_LARGE', 'JSON_TOO_LARGE', 'FORM_TOO_LARGE']),
  ...each({ status: 415 }, ['MEDIA_TYPE_UNSUPPORTED']),
  ...each({ status: 400 }, ['BODY_UNEXPECTED']),
  ...each({ status: 429, retryAfter: 1 }, ['RATE_LIMITED']),
  ...each(UNAVAILABLE, ['SERVER_OVERLOADED', 'SERVER_STOPPING']),
  ...each({ status: 500 }, ['INTERNAL_ERROR', 'ANSWER_INVALID', 'TEMPLATE_INVALID', 'JSON_NOT_CANONICAL']),
  ...each(UNAVAILABLE, ['STORE_UNAVAILABLE', 'STORE_OUTCOME_UNKNOWN', 'STORE_CLOSED', 'KEY_UNAVAILABLE']),
  ...each({ status: 500 }, ['AUDIT_LEAF_INVALID', 'AUDIT_NOT_A_PERMIT']),
}

const CALLERS = {
  ...each({ status: 401, oauth: 'invalid_client' }, [
    'AUTHENTICATION_REQUIRED',
    'CLIENT_CHAIN_TOO_LARGE',
    'CLIENT_CERTIFICATE_INVALID',
    'CLIENT_CERTIFICATE_TRUST_DOMAIN',
    'CLIENT_CERTIFICATE_UNTRUSTED',
    'CLIENT_CERTIFICATE_EXPIRED',
    'CLIENT_CERTIFICATE_NOT_YET_VALID',
    'CLIENT_CERTIFICATE_UNKNOWN',
    'CLIENT_CERTIFICATE_REVOKED',
  ]),
  ...each({ status: 403, oauth: 'unauthorized_client' }, [
    'LOCAL_USER_UNKNOWN',
    'PRINCIPAL_UNKNOWN',
    'CALLER_NOT_AGENT',
    'ROLE_REQUIRED',
    'ORIGIN_FORBIDDEN',
  ]),
  ...each({ status: 400 }, ['PRINCIPAL_SUBJECT_INVALID', 'PRINCIPAL_NAME_REQUIRED', 'PRINCIPAL_ROLES_INVALID']),
  ...each({ status: 404 }, ['PRINCIPAL_NOT_FOUND']),
  ...each({ status: 409 }, ['PRINCIPAL_TAKEN', 'PRINCIPAL_CHANGED', 'PRINCIPAL_LAST_ADMIN', 'BOOTSTRAP_DONE']),
}

/** RFC 9449 sections 5 and 8; WIMSE answers 400 where an identity or its proof is not good (WI-4). */
const PROOFS = {
  ...each({ status: 400, oauth: 'invalid_dpop_proof' }, DPOP_CODES),
  ...each({ status: 400, oauth: 'use_dpop_nonce' }, ['DPOP_NONCE_REQUIRED', 'DPOP_NONCE_INVALID']),
  ...each({ status: 400, oauth: 'invalid_client' }, WORKLOAD_CODES),
}

const ENROLLMENT = {
  ...each({ status: 400 }, ['ATTESTOR_UNKNOWN', 'PROVIDER_UNKNOWN', 'EVIDENCE_INVALID']),
  ...each({ status: 400 }, ['JOIN_TOKEN_LIFETIME', 'JOIN_TOKEN_MALFORMED']),
  ...each(DENIED, ['ENROLL_SESSION_UNKNOWN', 'ENROLL_SESSION_EXPIRED', 'ENROLL_SESSION_USED']),
  ...each({ status: 400 }, EVIDENCE_MALFORMED),
  ...each(DENIED, EVIDENCE_REFUSED),
  ...each(DENIED, ['JOIN_TOKEN_UNKNOWN', 'JOIN_TOKEN_EXPIRED', 'JOIN_TOKEN_USED', 'JOIN_TOKEN_OTHER_AGENT']),
  ...each({ status: 409 }, ['JOIN_TOKEN_AGENT_HAS_SELECTORS', 'JOIN_TOKEN_PIN_MISSING', 'WORKLOAD_CHANGED']),
}

const REGISTRY = {
  ...each({ status: 400 }, [
    'AGENT_NAME_INVALID',
    'AGENT_PATH_INVALID',
    'AGENT_OWNER_REQUIRED',
    'AGENT_SELECTOR_INVALID',
    'AGENT_SELECTORS_MIXED',
    'AGENT_DNS_NAME_INVALID',
    'AGENT_DNS_NAME_RESERVED',
    'AGENT_PERMISSION_INVALID',
    'AGENT_AUDIENCE_UNKNOWN',
    'AGENT_ACTION_UNKNOWN',
    'AGENT_KEY_CLASS_INVALID',
    'AGENT_LIMIT_INVALID',
    'RESOURCE_AUDIENCE_INVALID',
    'RESOURCE_AUDIENCE_RESERVED',
    'RESOURCE_OWNER_REQUIRED',
    'RESOURCE_ACTION_INVALID',
    'RESOURCE_SPIFFE_ID_INVALID',
    'REVOCATION_VALUE_INVALID',
    'REVOCATION_REASON_UNFIT',
  ]),
  ...each({ status: 404 }, ['AGENT_UNKNOWN', 'INSTANCE_UNKNOWN', 'REVOCATION_TARGET_UNKNOWN']),
  ...each({ status: 409 }, ['AGENT_NAME_TAKEN', 'AGENT_CHANGED', 'AGENT_STATE', 'RESOURCE_AUDIENCE_TAKEN']),
  ...each(DENIED, [
    'AGENT_SUSPENDED',
    'AGENT_RETIRED',
    'AGENT_NOT_MATCHED',
    'AGENT_AMBIGUOUS',
    'KEY_CLASS_NOT_ALLOWED',
    'ATTESTATION_TOO_OLD',
    'ATTESTED_KEY_CHANGED',
    'INSTANCE_NOT_ACTIVE',
  ]),
}

const POLICY = each(DENIED, [
  'POLICY_UNDECIDABLE',
  'POLICY_AGENT_NOT_ACTIVE',
  'POLICY_KEY_CLASS',
  'POLICY_ATTESTATION_AGE',
  'POLICY_DNS_NAME',
  'POLICY_SPIFFE_ID',
  'POLICY_LIFETIME',
  'POLICY_AUDIENCE',
  'POLICY_ACTION',
  'POLICY_DEPTH',
])

const AUTHORITIES = {
  ...each({ status: 400 }, ['AUTHORITY_REASON_REQUIRED']),
  ...each({ status: 404 }, ['AUTHORITY_NOT_FOUND']),
  ...each({ status: 409 }, AUTHORITY_CONFLICTS),
  ...each(UNAVAILABLE, ['AUTHORITY_NOT_ACTIVE', 'AUTHORITY_ROOT_UNAVAILABLE', 'AUTHORITY_AWAITS_CEREMONY']),
  ...each({ status: 500 }, ['AUTHORITY_KEY_MISMATCH']),
}

const ISSUANCE = {
  ...each({ status: 400 }, ['REQUEST_ID_DIFFERS', 'REQUEST_KEY_FORBIDDEN']),
  ...each(DENIED, ['ISSUANCE_CUT_OFF', 'ISSUANCE_AGENT_CHANGED', 'ISSUANCE_INSTANCE_ENDED']),
  ...each({ status: 409 }, ['ISSUANCE_REPEATED', 'ISSUANCE_INTERRUPTED', 'CERTIFICATE_STATE_CHANGED']),
  ...each(UNAVAILABLE, [
    'ISSUANCE_IN_PROGRESS',
    'ISSUANCE_AUTHORITY_CHANGED',
    'LIFETIME_TOO_SHORT',
    'CLOCK_BEHIND_MARK',
    'CLOCK_DIFFERS',
    'SIGNATURE_INVALID',
  ]),
  ...each({ status: 500 }, [
    'GRANT_MISMATCH',
    'SIGNER_MISMATCH',
    'LINT_FAILED',
    'PROFILE_INVALID',
    'PREPARED_USED',
    'RECEIPT_MISMATCH',
    'SIGNED_OTHER_BYTES',
    'CLOCK_NOT_ACCEPTED',
  ]),
}

const TASKS = {
  ...each({ status: 404 }, ['TASK_NOT_FOUND']),
  ...each({ status: 400 }, ['TASK_DEADLINE_INVALID', 'TASK_LIMIT_INVALID']),
  ...each({ status: 400 }, USER_CODES),
  ...each(DENIED, ['TASK_ORDER_FORBIDDEN', 'TASK_AGENT_NOT_ALLOWED', 'TASK_SUBJECT_NOT_ALLOWED']),
  ...each({ status: 409 }, [
    'TASK_PENDING',
    'TASK_SUSPENDED',
    'TASK_COMPLETED',
    'TASK_REVOKED',
    'TASK_EXPIRED',
    'TASK_CHANGED',
    'TASK_TRANSITION_INVALID',
    'CUTOFF_OUTDATED',
  ]),
  ...each({ status: 400, oauth: 'invalid_authorization_details' }, [
    'AUTHORIZATION_DETAILS_MALFORMED',
    'INVALID_AUTHORIZATION_DETAILS',
    'AUTHORIZATION_DETAILS_WIDENED',
  ]),
  ...each({ status: 400, oauth: 'invalid_scope' }, ['INVALID_SCOPE', 'SCOPE_WIDENED']),
  ...each({ status: 400, oauth: 'invalid_target' }, [
    'INVALID_TARGET',
    'TARGET_MISSING',
    'TARGET_MULTIPLE',
    'TARGET_UNKNOWN',
    'TARGET_NOT_GRANTED',
    'TARGET_CHANGED',
    'TARGET_ACTION_UNKNOWN',
  ]),
  // RFC 8693 section 2.2.2: whatever is wrong with a subject token is an invalid request.
  ...each({ status: 400 }, [
    'DEPTH_EXCEEDED',
    'DERIVATIONS_EXHAUSTED',
    'TOKEN_LIFETIME_EXHAUSTED',
    'TOKEN_TOO_LARGE',
    'CUT_OFF',
    'TOKEN_PARAMETER_MISSING',
    'TOKEN_PARAMETER_UNEXPECTED',
    'REQUESTED_TOKEN_TYPE_UNSUPPORTED',
    'SUBJECT_TOKEN_TYPE_UNSUPPORTED',
    'SUBJECT_TOKEN_INVALID',
    'SUBJECT_TOKEN_DEAD',
    'SUBJECT_TOKEN_NOT_YOURS',
    'SUBJECT_TOKEN_TOO_OLD',
    'SUBJECT_TOKEN_REPLAYED',
    'SUBJECT_TOKEN_OTHER_TASK',
    'SUBJECT_TOKEN_OTHER_SUBJECT',
    'MAY_ACT_REFUSED',
    'ACTOR_TOKEN_UNSUPPORTED',
    'TOKEN_NOT_YOURS',
  ]),
  ...each({ status: 400, oauth: 'unsupported_grant_type' }, ['GRANT_TYPE_UNSUPPORTED']),
  ...each({ status: 400, oauth: 'unsupported_token_type' }, ['TOKEN_TYPE_UNSUPPORTED']),
  ...each({ status: 401, oauth: 'invalid_client' }, ['CLIENT_ID_MISMATCH', 'CLIENT_ASSERTION_UNSUPPORTED']),
  ...each({ status: 503, retryAfter: 2, oauth: 'temporarily_unavailable' }, [
    'ISSUANCE_PAUSED',
    'STANDING_CHANGED',
    'TOKEN_ID_TAKEN',
  ]),
}

/** Every code that can reach a caller has its row; the compiler says so when one is missing. */
export const FAILURES = {
  ...everyCodec({ status: 400 }),
  ...TRANSPORT,
  ...CALLERS,
  ...PROOFS,
  ...ENROLLMENT,
  ...REGISTRY,
  ...POLICY,
  ...AUTHORITIES,
  ...ISSUANCE,
  ...TASKS,
  ...each({ status: 400 }, CEREMONY_CODES),
  ...each({ status: 503, retryAfter: 10, oauth: 'temporarily_unavailable' }, OUTBOUND_CODES),
  ...each({ status: 400 }, ['CURSOR_INVALID', 'LIMIT_INVALID', 'JWT_SVID_AUDIENCE_INVALID']),
} as const satisfies Record<PublicCode, Failure>

const ROWS = new Map<string, Failure>(Object.entries(FAILURES))

/** Null for a code that nobody outside may hear of. */
export function failureOf(code: string): Failure | null {
  return ROWS.get(code) ?? null
}

const OAUTH_BY_STATUS: Readonly<Record<number, OauthCode>> = {
  401: 'invalid_client',
  403: 'access_denied',
  429: 'temporarily_unavailable',
  500: 'server_error',
  503: 'temporarily_unavailable',
}

/** Statuses that say something about the transport, and are kept; RFC 6749 section 5.2 has 400 for all others. */
const KEPT = new Set([401, 405, 408, 413, 415, 429, 500, 503])

export function oauthStatusOf(failure: Failure): { readonly status: number; readonly oauth: OauthCode } {
  const oauth = failure.oauth ?? OAUTH_BY_STATUS[failure.status] ?? 'invalid_request'
  return { status: KEPT.has(failure.status) ? failure.status : 400, oauth }
}
