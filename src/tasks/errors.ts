import { errorsOf, type ErrorTable } from '#kernel/errors.ts'

export const TASKS_ERRORS = {
  TASK_NOT_FOUND: 'There is no such task, or it is not yours.',
  TASK_PENDING: 'The task waits for approval.',
  TASK_SUSPENDED: 'The task is suspended. Its owner or an operator can resume it.',
  TASK_COMPLETED: 'The task is completed. Open another one.',
  TASK_REVOKED: 'The task was revoked. Open another one.',
  TASK_EXPIRED: 'The deadline of the task has passed. Open another one.',
  TASK_CHANGED: 'The task was changed by somebody else at the same moment. Look at it and try again.',
  TASK_TRANSITION_INVALID: 'The task is not in a state from which this is possible.',
  TASK_ORDER_FORBIDDEN: 'An agent opens tasks of its own; only an orchestrator names an agent or a subject.',
  TASK_AGENT_MISSING: 'An orchestrator names the agent that is to work.',
  TASK_AGENT_NOT_ALLOWED: 'The agent is not among those that this orchestrator may open tasks of.',
  TASK_SUBJECT_MISSING: 'An orchestrator names the user whom the task is for.',
  TASK_SUBJECT_INVALID: 'The subject of a task that an orchestrator opens is a user, user:<issuer name>:<sub>.',
  TASK_SUBJECT_NOT_ALLOWED: 'The subject is not among those whom this orchestrator may open tasks for.',
  TASK_DEADLINE_INVALID: 'The deadline of a task lies in the future, and within what its agent is allowed.',
  TASK_LIMIT_INVALID: 'The depth or the number of derivations of the task is out of range.',
  INVALID_AUTHORIZATION_DETAILS: 'The authorization details are malformed, too large, or of an unknown type.',
  AUTHORIZATION_DETAILS_WIDENED: 'The authorization details ask for more than the task or the parent token allows.',
  INVALID_SCOPE: 'The scope is malformed, or does not say the same as the authorization details.',
  SCOPE_WIDENED: 'The scope asks for more than the task or the parent token allows.',
  INVALID_TARGET: 'The resource is not an absolute URI without fragment.',
  TARGET_MISSING: 'The request names no resource.',
  TARGET_MULTIPLE: 'A token is for one resource only. Ask once for each.',
  TARGET_UNKNOWN: 'The resource is not registered.',
  TARGET_NOT_GRANTED: 'The task allows nothing on this resource.',
  TARGET_CHANGED: 'A derived token is for the resource of its parent. Start another one under the same task.',
  TARGET_ACTION_UNKNOWN: 'The resource has no such action.',
  DEPTH_EXCEEDED: 'The token is as deep as its task allows; nothing can be derived from it.',
  DERIVATIONS_EXHAUSTED: 'As many tokens have been derived under this task as it allows.',
  TOKEN_LIFETIME_EXHAUSTED:
    'Nothing is left of the lifetime that certificate, attestation, task and parent token allow.',
  TOKEN_TOO_LARGE: 'The token would be larger than receivers accept. Ask for less at once.',
} as const satisfies ErrorTable

export const tasksError = errorsOf(TASKS_ERRORS)
