import { CODEC_ERRORS, type CodecErrorCode, type ErrorCode } from '#flows/errors.ts'
import { APPROVAL_CONFLICTS, APPROVAL_FORBIDDEN } from './approval-failures.ts'
import { AUTHORITY_CONFLICTS, CEREMONY_CODES, ROOT_CRL_CONFLICTS, ROOT_CRL_INVALID } from './authority-failures.ts'
import type { HttpErrorCode } from './errors.ts'
import { AUTHZ_FAILURES } from './authz-failures.ts'
import { NOT_THERE, REGISTRATION_INVALID } from './registry-failures.ts'
import { EVIDENCE_MALFORMED, EVIDENCE_REFUSED } from './evidence-failures.ts'
import { OUTBOUND_CODES } from './outbound-failures.ts'
import { EXCHANGE_CODES } from './exchange-failures.ts'
import { SSF_CODES } from './ssf-failures.ts'
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
  /** What RFC 6750 section 3.1 calls it, where a request with a token is judged. */
  readonly bearer?: 'invalid_token' | 'insufficient_scope' | 'invalid_dpop_proof'
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
  ...each({ status: 404 }, ['ROUTE_NOT_FOUND', 'PATH_INVALID', 'RENEWAL_INFO_NOT_FOUND']),
  ...each({ status: 405 }, ['METHOD_NOT_ALLOWED']),
  ...each({ status: 408 }, ['BODY_TOO_SLOW', 'BODY_CUT']),
  ...each({ status: 413 }, ['BODY_TOO_LARGE', 'JSON_TOO_LARGE', 'FORM_TOO_LARGE']),
  ...each({ status: 415 }, ['MEDIA_TYPE_UNSUPPORTED']),
  ...each({ status: 400 }, ['BODY_UNEXPECTED']),
  ...each({ status: 501 }, ['STATUS_LIST_TIME_UNSUPPORTED']),
  ...each({ status: 429, retryAfter: 1 }, ['RATE_LIMITED']),
  ...each({ status: 429, retryAfter: 5 }, ['STREAMS_EXHAUSTED']),
  ...each(UNAVAILABLE, ['SERVER_OVERLOADED', 'SERVER_STOPPING', 'STREAM_STALLED']),
  ...each({ status: 500 }, ['INTERNAL_ERROR', 'ANSWER_INVALID', 'TEMPLATE_INVALID', 'JSON_NOT_CANONICAL']),
  ...each({ status: 500 }, ['STATUS_UNPROVEN', 'STATUS_RESPONDER_ENDED', 'STATUS_SIGNATURE_INVALID']),
  ...each(UNAVAILABLE, ['STATUS_OVERLOADED']),
  ...each(UNAVAILABLE, ['STORE_UNAVAILABLE', 'STORE_OUTCOME_UNKNOWN', 'STORE_CLOSED', 'KEY_UNAVAILABLE']),
  ...each({ status: 500 }, ['AUDIT_LEAF_INVALID', 'AUDIT_NOT_A_PERMIT', 'APPROVAL_RULES_INVALID']),
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
  ...each({ status: 400 }, REGISTRATION_INVALID),
  ...each({ status: 404 }, NOT_THERE),
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

const FEED = {
  ...each({ status: 400 }, ['FEED_POSITION_INVALID']),
  ...each(DENIED, ['FEED_NOT_REGISTERED']),
  ...each(UNAVAILABLE, ['FEED_AUDIENCES_CHANGED', 'FEED_TOO_SLOW']),
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
  ...each({ status: 400 }, ROOT_CRL_INVALID),
  ...each({ status: 409 }, ROOT_CRL_CONFLICTS),
  ...each(UNAVAILABLE, ['AUTHORITY_NOT_ACTIVE', 'AUTHORITY_ROOT_UNAVAILABLE', 'AUTHORITY_AWAITS_CEREMONY']),
  ...each({ status: 500 }, ['AUTHORITY_KEY_MISMATCH']),
}

const ISSUANCE = {
  ...each({ status: 400 }, ['REQUEST_ID_DIFFERS', 'REQUEST_KEY_FORBIDDEN']),
  // It may be for a moment only: until the cutoff of an agent, a node or a key has passed.
  ...each({ ...DENIED, retryAfter: 2 }, ['ISSUANCE_CUT_OFF']),
  ...each(DENIED, ['ISSUANCE_AGENT_CHANGED', 'ISSUANCE_INSTANCE_ENDED']),
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
    'CRL_CHANGED',
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
  ...each({ status: 400 }, EXCHANGE_CODES),
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
  ...each(DENIED, APPROVAL_FORBIDDEN),
  ...each({ status: 409 }, APPROVAL_CONFLICTS),
  ...AUTHORITIES,
  ...ISSUANCE,
  ...TASKS,
  ...FEED,
  ...AUTHZ_FAILURES,
  ...each({ status: 400 }, CEREMONY_CODES),
  ...each({ status: 503, retryAfter: 10, oauth: 'temporarily_unavailable' }, OUTBOUND_CODES),
  ...each(DENIED, ['SSF_RECEIVER_UNKNOWN']),
  ...each({ status: 404 }, ['SSF_STREAM_UNKNOWN']),
  ...each({ status: 409 }, ['SSF_STREAMS_TOO_MANY', 'SSF_STREAM_CHANGED']),
  ...each({ status: 429, retryAfter: 60 }, ['SSF_STREAM_FULL']),
  ...each({ status: 400 }, SSF_CODES),
  ...each({ status: 400 }, [
    'CURSOR_INVALID',
    'LIMIT_INVALID',
    'JWT_SVID_AUDIENCE_INVALID',
    'APPROVAL_REASON_REQUIRED',
  ]),
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
