export { AUTHORITY_KINDS } from './records.ts'
export type { AuthorityKind, AuthorityRecord, AuthorityState } from './records.ts'
