import { fromRfc3339, toRfc3339 } from '#kernel/instant.ts'
import { Secret } from '#kernel/secret.ts'
import type { UserToken } from '#flows/open-task.ts'
import type { OrchestratedRequest } from '#flows/task-order.ts'
import type { AuthorizationDetail, TaskView } from '#tasks/index.ts'
import {
  formatCursor,
  listQuery,
  noBody,
  noQuery,
  openTaskRequest,
  parseCursor,
  taskList,
  taskStepRequest,
  taskView,
  type AuthorizationDetailDocument,
  type OpenTaskRequest as OpenTaskBody,
  type TaskView as TaskBody,
} from '#wire/index.ts'
import { NO_BODY, route, SMALL_BODY } from '../build-route.ts'
import type { TaskFlows } from '../flows.ts'
import { CLIENTS } from '../callers.ts'
import type { Route } from '../route.ts'

const base = { surface: 'api', errors: 'problem', hot: false, status: 200, callers: CLIENTS } as const
const reading = { ...base, method: 'GET', takes: 'nothing', limits: NO_BODY } as const
const writing = { ...base, method: 'POST', takes: 'json', limits: SMALL_BODY } as const

export function authorityOf(authority: readonly AuthorizationDetail[]): AuthorizationDetailDocument[] {
  return authority.map((detail) => ({
    type: detail.type,
    resource: detail.resource,
    actions: [...detail.actions],
    ...(detail.identifiers === undefined ? {} : { identifiers: [...detail.identifiers] }),
    ...(detail.constraints === undefined ? {} : { constraints: { ...detail.constraints } }),
  }))
}

function bodyOf(task: TaskView): TaskBody {
  return {
    id: task.id,
    agent: task.agent,
    instance: task.instance,
    subject: task.subject,
    owner: task.owner,
    state: task.state,
    authority: authorityOf(task.authority),
    deadline: toRfc3339(task.deadline),
    max_depth: task.maxDepth,
    max_derivations: task.maxDerivations,
    created_by: task.createdBy,
    created_at: toRfc3339(task.createdAt),
    ended_at: task.endedAt === null ? null : toRfc3339(task.endedAt),
    txn: task.transaction,
  }
}

function userOf({ subject_token: token, subject_nonce: nonce }: OpenTaskBody): UserToken | null {
  return token === undefined ? null : { token: new Secret(token), nonce: nonce ?? null }
}

/** An agent names nothing of this; an orchestrator cannot leave all of it out. */
function orchestratedOf({ agent, instance, subject }: OpenTaskBody): OrchestratedRequest | null {
  if (agent === undefined && instance === undefined && subject === undefined) return null
  return { agent: agent ?? null, instance: instance ?? null, subject: subject ?? null }
}

const render = (task: TaskView): { readonly body: TaskBody } => ({ body: bodyOf(task) })

function step(
  name: 'complete' | 'revoke' | 'suspend' | 'resume',
  summary: string,
  flow: keyof TaskFlows & `${typeof name}Task`,
): Route {
  return route({
    ...writing,
    id: flow,
    summary,
    path: `/v1/tasks/{id}/${name}`,
    takes: 'json-or-nothing',
    schema: { body: taskStepRequest, query: noQuery, answer: taskView },
    flow: (flows, { caller, path }) => flows[flow](caller, path['id'] ?? ''),
    render,
  })
}

export const TASK_ROUTES: readonly Route[] = [
  route({
    ...writing,
    id: 'openTask',
    summary: 'Open a task, of the calling agent or as an orchestrator, within the registration of the agent',
    path: '/v1/tasks',
    status: 201,
    schema: { body: openTaskRequest, query: noQuery, answer: taskView },
    flow: (flows, { caller, body }) =>
      flows.openTask(caller, {
        authority: body.authority,
        expiresIn: body.expires_in ?? null,
        deadline: body.deadline === undefined ? null : fromRfc3339(body.deadline),
        maxDepth: body.max_depth ?? null,
        maxDerivations: body.max_derivations ?? null,
        user: userOf(body),
        orchestrated: orchestratedOf(body),
      }),
    render,
  }),
  route({
    ...reading,
    id: 'listTasks',
    summary: 'List the tasks that the caller may see',
    path: '/v1/tasks',
    schema: { body: noBody, query: listQuery, answer: taskList },
    flow: (flows, { caller, query }) =>
      flows.listTasks(caller, {
        limit: query.limit,
        after: query.after === undefined ? null : parseCursor(query.after),
      }),
    render: ({ items, next }) => ({
      body: { items: items.map(bodyOf), next: next === null ? null : formatCursor(next) },
    }),
  }),
  route({
    ...reading,
    id: 'showTask',
    summary: 'Show one task',
    path: '/v1/tasks/{id}',
    schema: { body: noBody, query: noQuery, answer: taskView },
    flow: (flows, { caller, path }) => flows.showTask(caller, path['id'] ?? ''),
    render,
  }),
  step('complete', 'End a task because its work is done; every token under it dies', 'completeTask'),
  step('revoke', 'Call a task off; every token under it dies', 'revokeTask'),
  step('suspend', 'Stop a task for the time being; its tokens die, new ones come after resume', 'suspendTask'),
  step('resume', 'Let a suspended task go on', 'resumeTask'),
]
