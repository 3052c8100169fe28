import { errorsOf, type ErrorTable } from '#kernel/errors.ts'

export const WIRE_ERRORS = {
  BODY_INVALID: 'The request body does not have the form that this endpoint requires.',
  QUERY_INVALID: 'The query parameters do not have the form that this endpoint requires.',
  PATH_INVALID: 'The path names something that cannot exist.',
  FORM_INVALID: 'A parameter of the request is missing or malformed.',
  FORM_MALFORMED: 'The body is not a well-formed application/x-www-form-urlencoded document.',
  FORM_TOO_LARGE: 'The form is larger than this endpoint accepts.',
  FORM_DUPLICATE_PARAMETER: 'A parameter is given more than once.',
  AUTHORIZATION_DETAILS_MALFORMED: 'The authorization_details are not a list of entries of type task.',
  ANSWER_INVALID: 'The server answered with a body that this client does not understand.',
  JOIN_TOKEN_MALFORMED: 'The join token is not of the form wjt_<secret>.<pin>.',
  RENEWAL_ID_MALFORMED:
    'The certificate is not named by its authority key identifier and serial number (RFC 9773 section 4.1).',
  REVOCATION_HANDLE_UNKNOWN:
    'There is no such handle. What is taken back is a certificate, instance, agent, lineage, key, authority, node, task, token, subject, evidence, selector or trust-domain.',
  REVOCATION_REASON_UNKNOWN:
    'There is no such reason. It is unspecified, key_compromise, ca_compromise, affiliation_changed, superseded, cessation_of_operation or privilege_withdrawn.',
  TPM_STATEMENT_INVALID: 'A field of the statement for a TPM does not have the form that it must have.',
  X509POP_STATEMENT_INVALID: 'A field of the statement to be signed does not have the form that it must have.',
} as const satisfies ErrorTable

export const wireError = errorsOf(WIRE_ERRORS)
export type WireErrorCode = keyof typeof WIRE_ERRORS

/** Whether a schema says for itself with which code it is refused. */
export function isWireErrorCode(message: string | undefined): message is WireErrorCode {
  return message !== undefined && Object.hasOwn(WIRE_ERRORS, message)
}
