export type { AuthorizationDetail, TaskRecord, TaskState, TaskTokenRecord } from './records.ts'
