export type { EnrollSessionRecord, JoinTokenRecord } from './records.ts'
