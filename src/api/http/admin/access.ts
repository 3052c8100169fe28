import { NO_BODY, SMALL_BODY } from '../build-route.ts'
import type { CallerClass } from '../route.ts'

/** Who may look at everything but the log and the principals. */
export const READERS: readonly CallerClass[] = ['viewer', 'auditor', 'operator', 'orchestrator', 'approver', 'ca-admin']
export const OPERATORS: readonly CallerClass[] = ['operator']
/** A CA admin revokes authorities, an operator everything else. */
export const REVOKERS: readonly CallerClass[] = ['operator', 'ca-admin']

const base = { surface: 'api', errors: 'problem', hot: false } as const

export const reading = { ...base, method: 'GET', takes: 'nothing', limits: NO_BODY, status: 200 } as const
export const writing = { ...base, method: 'POST', takes: 'json', limits: SMALL_BODY, status: 201 } as const
export const deleting = { ...base, method: 'DELETE', takes: 'nothing', limits: NO_BODY } as const
