export { ROLES } from './records.ts'
export type { PrincipalRecord, ReplayRecord, Role } from './records.ts'
