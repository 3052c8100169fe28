import { errorsOf, type ErrorTable } from '#kernel/errors.ts'

/** What the token endpoint refuses besides what tasks and policy refuse (RFC 8693 section 2.2.2). */
export const OAUTH_ERRORS = {
  GRANT_TYPE_UNSUPPORTED: 'The grant type is not token exchange.',
  TOKEN_PARAMETER_MISSING: 'A parameter that this request needs is missing.',
  TOKEN_PARAMETER_UNEXPECTED: 'A parameter was sent that means nothing in this request.',
  CLIENT_ID_MISMATCH: 'The client_id is not the SPIFFE ID of the client certificate.',
  REQUESTED_TOKEN_TYPE_UNSUPPORTED: 'Only access tokens are issued.',
  SUBJECT_TOKEN_TYPE_UNSUPPORTED: 'The subject token is of another type than it is declared to be.',
  SUBJECT_TOKEN_INVALID: 'The subject token is not valid.',
  SUBJECT_TOKEN_DEAD: 'The subject token, or what it rests on, has ended.',
  SUBJECT_TOKEN_NOT_YOURS: 'The subject token belongs to another client, or is bound to another key than was proved.',
  SUBJECT_TOKEN_OTHER_SUBJECT: 'The subject token is that of another user than the task is for.',
  SUBJECT_TOKEN_TOO_OLD: 'The subject token was issued too long ago. Ask for a new one.',
  SUBJECT_TOKEN_REPLAYED: 'The subject token has been used already. Ask for a new one.',
  SUBJECT_TOKEN_OTHER_TASK: 'The subject token belongs to another task.',
  MAY_ACT_REFUSED: 'The subject token does not name this client as its actor.',
  ACTOR_TOKEN_UNSUPPORTED: 'Delegation to another agent by an actor token is not supported.',
  STANDING_CHANGED: 'The agent, its instance or its certificate was changed meanwhile. Try again.',
  TOKEN_NOT_YOURS: 'The token belongs to another client.',
  TOKEN_TYPE_UNSUPPORTED: 'Tokens of this type cannot be revoked here.',
  TOKEN_ID_TAKEN: 'The token could not be issued. Try again.',
} as const satisfies ErrorTable

export const oauthError = errorsOf(OAUTH_ERRORS)
