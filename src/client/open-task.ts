import type { JsonObject, JsonValue } from '#kernel/json.ts'
import type { Secret } from '#kernel/secret.ts'
import { parseAnswer, taskView, type AuthorizationDetailDocument, type TaskView } from '#wire/index.ts'
import type { ApiCall } from './api-call.ts'

export interface OpenTaskOptions {
  readonly authority: readonly AuthorizationDetailDocument[]
  /** Seconds from now. */
  readonly expiresIn?: number
  readonly maxDepth?: number
  readonly maxDerivations?: number
  /** An ID token of the user whom the task is for, and the nonce that was sent for it; the token is good for this once. */
  readonly subjectToken?: Secret<string>
  readonly subjectNonce?: string
  /** As an orchestrator: the agent that is to work (name or id), one instance of it, and whom it is for. */
  readonly agent?: string
  readonly instance?: string
  readonly subject?: string
}

/** Opens a task over any connection to the API: an agent's own, or that of an orchestrator. */
export async function openTask(
  call: (call: ApiCall) => Promise<JsonValue>,
  options: OpenTaskOptions,
): Promise<TaskView> {
  const { authority, expiresIn, maxDepth, maxDerivations, subjectToken, subjectNonce, ...named } = options
  const json: JsonObject = {
    authority: authority as unknown as JsonValue,
    ...(expiresIn === undefined ? {} : { expires_in: expiresIn }),
    ...(maxDepth === undefined ? {} : { max_depth: maxDepth }),
    ...(maxDerivations === undefined ? {} : { max_derivations: maxDerivations }),
    ...(subjectToken === undefined ? {} : { subject_token: subjectToken.reveal() }),
    ...(subjectNonce === undefined ? {} : { subject_nonce: subjectNonce }),
    ...named,
  }
  return parseAnswer(taskView, await call({ method: 'POST', path: '/v1/tasks', json }))
}
