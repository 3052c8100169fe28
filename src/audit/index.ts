export type { LeafDraft } from './leaf.ts'
export type { LogLeafRecord, LogPrivateRecord, OutboxRecord } from './records.ts'
