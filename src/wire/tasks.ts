import { z } from 'zod'
import { action, id, instanceId, instantText, listOf, resourceUri, seconds, text, tokenText } from './values.ts'

/** One entry of `authorization_details` (RFC 9396 section 2) of our one type. */
export const authorizationDetail = z.strictObject({
  type: z.literal('task'),
  resource: resourceUri,
  actions: z.array(action).min(1).max(64),
  identifiers: z.array(text(256)).min(1).max(256).optional(),
  constraints: z
    .record(z.string().regex(/^max_[a-z0-9_]{1,48}$/), z.int().min(0))
    .refine((entries) => Object.keys(entries).length <= 16)
    .optional(),
})
export type AuthorizationDetailDocument = z.output<typeof authorizationDetail>

export const authorizationDetails = z.array(authorizationDetail).min(1).max(16)

/** `POST /v1/tasks`. The end is given as a length or as a moment, or left to the agent's limit. */
export const openTaskRequest = z
  .strictObject({
    authority: authorizationDetails,
    expires_in: seconds(1, 31_536_000).optional(),
    deadline: instantText.optional(),
    max_depth: z.int().min(0).max(16).optional(),
    max_derivations: z.int().min(0).max(1_000_000).optional(),
    /** An ID token of the user whom the task is for, and the nonce that was sent for it, if one was. */
    subject_token: tokenText.optional(),
    subject_nonce: text(512).optional(),
    /** What an orchestrator names: the agent (name or id) and the user, and one instance unless any will do. */
    agent: text(64).optional(),
    instance: instanceId.optional(),
    subject: text(327).optional(),
  })
  .refine(({ subject_token: token, subject_nonce: nonce }) => nonce === undefined || token !== undefined, {
    path: ['subject_nonce'],
  })
  .refine((request) => request.expires_in === undefined || request.deadline === undefined, { path: ['deadline'] })
export type OpenTaskRequest = z.output<typeof openTaskRequest>

export const taskState = z.enum(['pending', 'active', 'suspended', 'completed', 'revoked', 'expired'])

export const taskView = z.object({
  id: id('task'),
  agent: text(128),
  instance: text(64).nullable(),
  subject: text(2048),
  owner: text(256),
  state: taskState,
  authority: authorizationDetails,
  deadline: instantText,
  max_depth: z.int(),
  max_derivations: z.int(),
  created_by: text(2048),
  created_at: instantText,
  ended_at: instantText.nullable(),
  txn: text(128),
})
export type TaskView = z.output<typeof taskView>

export const taskList = listOf(taskView)

/** `POST /v1/tasks/{id}/complete` and its siblings take an empty object, or no body. */
export const taskStepRequest = z.strictObject({}).optional()
