import type { EnrollSessionRecord, JoinTokenRecord } from '#attestation/index.ts'
import type { LogLeafRecord, LogPrivateRecord, MarkRecord, OutboxRecord } from '#audit/index.ts'
import type { PrincipalRecord, ReplayRecord, SealingKeyRecord } from '#authentication/index.ts'
import type { AdoptionRecord, AuthorityRecord } from '#authority/index.ts'
import type { CertificateRecord } from '#issuance/index.ts'
import type { ApprovalRecord } from '#policy/index.ts'
import type { AgentRecord, InstanceRecord, NodeRecord, ResourceRecord } from '#registry/index.ts'
import type { CrlEntryRecord, CrlRecord, CutoffRecord, SsfSetRecord, SsfStreamRecord } from '#revocation/index.ts'
import type { TaskRecord, TaskTokenRecord } from '#tasks/index.ts'

/** Every table that stories read and change, and the record that it holds. */
export interface Tables {
  readonly Agent: AgentRecord
  readonly Instance: InstanceRecord
  readonly Node: NodeRecord
  readonly Resource: ResourceRecord
  readonly Principal: PrincipalRecord
  readonly EnrollSession: EnrollSessionRecord
  readonly JoinToken: JoinTokenRecord
  readonly Authority: AuthorityRecord
  readonly Certificate: CertificateRecord
  readonly Task: TaskRecord
  readonly TaskToken: TaskTokenRecord
  readonly Cutoff: CutoffRecord
  readonly CrlEntry: CrlEntryRecord
  readonly Crl: CrlRecord
  readonly Mark: MarkRecord
  readonly Adoption: AdoptionRecord
  readonly SsfStream: SsfStreamRecord
  readonly SsfSet: SsfSetRecord
  readonly Approval: ApprovalRecord
  readonly Replay: ReplayRecord
  readonly SealingKey: SealingKeyRecord
  readonly LogLeaf: LogLeafRecord
  readonly LogPrivate: LogPrivateRecord
  readonly Outbox: OutboxRecord
}

export type TableName = keyof Tables

/** The tables that a story may change; the log and the outbox are written by the journal only. */
export type WritableTable = Exclude<TableName, 'LogLeaf' | 'LogPrivate' | 'Outbox'>

/** The primary key of each table. */
export const PRIMARY_KEYS = {
  Agent: 'id',
  Instance: 'id',
  Node: 'id',
  Resource: 'id',
  Principal: 'id',
  EnrollSession: 'hash',
  JoinToken: 'id',
  Authority: 'id',
  Certificate: 'serial',
  Task: 'id',
  TaskToken: 'jti',
  Cutoff: 'key',
  CrlEntry: 'serial',
  Crl: 'id',
  Mark: 'name',
  Adoption: 'instance',
  SsfStream: 'id',
  SsfSet: 'id',
  Approval: 'id',
  Replay: 'key',
  SealingKey: 'id',
  LogLeaf: 'hash',
  LogPrivate: 'leaf',
  Outbox: 'id',
} as const satisfies Record<TableName, string>
