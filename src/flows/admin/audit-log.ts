import { record, type LogLeafRecord } from '#audit/index.ts'
import type { Caller } from '#authentication/index.ts'
import { checkLimit, decodeCursor, encodeCursor, pageError, type Page, type PageRequest } from '../pages.ts'
import { recordingDenials, type Attempt } from '../recorded-story.ts'
import { adminLeaf, type AdminPorts } from './standing.ts'

/** Oldest first unless given. */
export interface LeafPageRequest extends PageRequest {
  readonly direction?: 'ascending' | 'descending' | undefined
}

const POSITION = /^(?:0|[1-9][0-9]{0,15})$/

/**
 * Leaves in the order of the log, by position, or against it; what the sequencer has not reached yet is not there. That the log was
 * read is written into it, before anything is answered.
 * @throws ROLE_REQUIRED, CURSOR_INVALID, LIMIT_INVALID
 */
export function listLeaves(ports: AdminPorts, caller: Caller, page: LeafPageRequest): Promise<Page<LogLeafRecord>> {
  const what = { type: 'audit.read', actor: caller.name, object: 'log' }
  return recordingDenials(ports, what, (watched) => {
    caller.requireRole('auditor')
    return readLeaves(watched, what, page)
  })
}

async function readLeaves(ports: AdminPorts, what: Attempt, page: LeafPageRequest): Promise<Page<LogLeafRecord>> {
  const { direction = 'ascending', limit } = page
  checkLimit(limit)
  const after = page.after === undefined ? null : parsePosition(page.after)
  await record(ports.journal, {
    lock: 'none',
    guards: [],
    changes: [],
    leaf: adminLeaf(what, { after: String(after ?? 'start'), limit: String(limit), direction }),
    events: [],
  })
  const position = direction === 'ascending' ? { gt: after ?? -1 } : { lt: after ?? Number.MAX_SAFE_INTEGER }
  const items = await ports.reader.list('LogLeaf', { where: { position }, orderBy: 'position', direction, limit })
  const last = items.length === limit ? items.at(-1)?.position : undefined
  return { items, next: last == null ? null : encodeCursor(String(last)) }
}

function parsePosition(cursor: string): number {
  const text = decodeCursor(cursor)
  if (!POSITION.test(text)) throw pageError('CURSOR_INVALID')
  return Number(text)
}
