import { errorsOf, type ErrorTable } from '#kernel/errors.ts'

export const AUDIT_ERRORS = {
  AUDIT_LEAF_INVALID: 'The audit entry does not have the required form, so nothing was done.',
  AUDIT_NOT_A_PERMIT: 'A denial cannot stand for a permission.',
} as const satisfies ErrorTable

export const auditError = errorsOf(AUDIT_ERRORS)
