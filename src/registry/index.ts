export type { AgentRecord, InstanceRecord, NodeRecord, Permission, ResourceRecord } from './records.ts'
