import { createPrincipal, type Caller } from '#authentication/index.ts'
import { callerOf } from '#authentication/caller.ts'
import { openTask, type OpenTaskRequest } from '#flows/open-task.ts'
import type { OrchestratedRequest } from '#flows/task-order.ts'
import { TrustDomain } from '#spiffe/index.ts'
import type { TaskView } from '#tasks/index.ts'
import { OPENING, type TaskHouse } from './task-house.ts'

let uids = 3000

/** An orchestrator that is on record, as it is authenticated now. */
export function orchestratorOf(house: TaskHouse, subjects: readonly string[], agents: readonly string[]): Caller {
  const uid = uids++
  const principal = createPrincipal(
    { subject: `local:${String(uid)}`, name: 'scheduler', roles: ['orchestrator'], subjects, agents },
    { trustDomain: TrustDomain.parse('example.org'), now: house.clock.now(), random: house.random },
  )
  house.store.seed('Principal', principal)
  return callerOf({ kind: 'local', uid, principal }, { address: 'unix', expired: false, method: 'certificate' })
}

export function orchestrate(
  house: TaskHouse,
  orchestrator: Caller,
  names: Partial<OrchestratedRequest>,
  change: Partial<OpenTaskRequest> = {},
): Promise<TaskView> {
  const orchestrated = { agent: null, instance: null, subject: null, ...names }
  return openTask(house.ports, orchestrator, { ...OPENING, orchestrated, ...change })
}
