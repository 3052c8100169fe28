import { errorsOf, type ErrorTable } from '#kernel/errors.ts'

export const AUTHENTICATION_ERRORS = {
  CLIENT_CERTIFICATE_INVALID: 'The client certificate is not an X.509-SVID that is acceptable here.',
  CLIENT_CERTIFICATE_TRUST_DOMAIN: 'The client certificate belongs to another trust domain.',
  CLIENT_CERTIFICATE_UNTRUSTED:
    'The client certificate was not issued by a current authority of this server. Enroll again.',
  CLIENT_CERTIFICATE_EXPIRED:
    'The client certificate has expired. Renew it within the grace of its agent, or enroll again.',
  CLIENT_CERTIFICATE_NOT_YET_VALID: 'The client certificate is not valid yet. Check the clocks.',
  CLIENT_CERTIFICATE_UNKNOWN: 'This server has no record of the client certificate.',
  CLIENT_CERTIFICATE_REVOKED:
    'The client certificate, its instance or its agent has been revoked. Enroll again if you may.',
  WORKLOAD_HEADER_MULTIPLE: 'Send one Workload-Identity-Token header and one Workload-Proof-Token header.',
  WORKLOAD_IDENTITY_MISSING: 'Send the Workload-Identity-Token that the Workload-Proof-Token is for.',
  WORKLOAD_PROOF_MISSING: 'A Workload-Identity-Token is worth nothing without a Workload-Proof-Token.',
  WIT_IN_AUTHORIZATION:
    'A workload identity token is no bearer token. Send it in Workload-Identity-Token, with a proof.',
  WIT_UNKNOWN: 'This server has no record of the certificate that the workload identity token goes with.',
  WIT_REVOKED:
    'The certificate of the workload identity token, its instance or its agent has been revoked. Enroll again if you may.',
  CREDENTIALS_DIFFER: 'The client certificate and the workload identity token are of different instances.',
  LOCAL_USER_UNKNOWN: 'This user of the machine is not a principal. Ask an admin to add local:<uid>.',
  PRINCIPAL_UNKNOWN: 'The certificate is good, but its holder is not a principal. Ask an admin.',
  AUTHENTICATION_REQUIRED: 'Present a client certificate, or use the admin socket.',
  CALLER_NOT_AGENT: 'Only an agent may ask for this, with its own certificate.',
  ROLE_REQUIRED: 'The caller does not have a role that may do this.',
  PRINCIPAL_SUBJECT_INVALID:
    'The subject of a principal is local:<uid>, or a SPIFFE ID /admin/<name> of this trust domain.',
  PRINCIPAL_NAME_REQUIRED: 'Give the principal a name of at most 128 characters.',
  PRINCIPAL_ROLES_INVALID: 'Give the principal at least one known role, each once.',
  PRINCIPAL_NOT_ORCHESTRATOR: 'Only an orchestrator has subjects and agents to open tasks for.',
  PRINCIPAL_SUBJECTS_INVALID:
    'Subjects are user:<issuer name>:<sub>, or user:<issuer name>:* for everyone of an issuer; at most 100, each once.',
  PRINCIPAL_AGENTS_INVALID: 'Agents to open tasks for are given by name, at most 64, each once.',
  PRINCIPAL_CHANGED: 'The principal was changed by somebody else at the same moment. Look at it and try again.',
  PRINCIPAL_TAKEN: 'A principal with this subject exists. Remove it first.',
  PRINCIPAL_NOT_FOUND: 'There is no active principal with this id.',
  PRINCIPAL_LAST_ADMIN: 'This is the last admin. Add another one first.',
  BOOTSTRAP_DONE: 'There is a principal already; the first admin is made only once.',
} as const satisfies ErrorTable

export const authenticationError = errorsOf(AUTHENTICATION_ERRORS)
