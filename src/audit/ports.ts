import type { LogEntry } from './receipt.ts'

/** The journal as this room needs it: it never looks into a commit beyond its leaf. */
export interface CommitPort<Commit> {
  /** Atomic and durable when it resolves. */
  commit(commit: Commit): Promise<LogEntry>
}
