export { CUTOFF_KINDS } from './records.ts'
export type { CutoffKind, CutoffRecord } from './records.ts'
