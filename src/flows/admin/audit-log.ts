import { record, type LogLeafRecord } from '#audit/index.ts'
import type { Caller } from '#authentication/index.ts'
import { decide } from '../denials.ts'
import { checkLimit, decodeCursor, encodeCursor, pageError, type Page, type PageRequest } from '../pages.ts'
import { adminLeaf, type AdminPorts } from './standing.ts'

/** Oldest first, or newest first. */
export interface LeafPageRequest extends PageRequest {
  readonly direction: 'ascending' | 'descending'
}

const POSITION = /^(?:0|[1-9][0-9]{0,15})$/

/**
 * Leaves in the order of the log, by position, or against it; what the sequencer has not reached yet is not there. That the log was
 * read is written into it, before anything is answered.
 * @throws ROLE_REQUIRED, CURSOR_INVALID, LIMIT_INVALID
 */
export async function listLeaves(
  ports: AdminPorts,
  caller: Caller,
  page: LeafPageRequest,
): Promise<Page<LogLeafRecord>> {
  const what = { type: 'audit.read', actor: caller.name, object: 'log' }
  const after = await decide(ports.journal, what, () => {
    caller.requireRole('auditor')
    checkLimit(page.limit)
    return page.after === undefined ? null : parsePosition(page.after)
  })
  await record(ports.journal, {
    lock: 'none',
    guards: [],
    changes: [],
    leaf: adminLeaf(what, { after: String(after ?? 'start'), limit: String(page.limit), direction: page.direction }),
    events: [],
  })
  const where = {
    position: page.direction === 'ascending' ? { gt: after ?? -1 } : { lt: after ?? Number.MAX_SAFE_INTEGER },
  }
  const query = { where, orderBy: 'position', direction: page.direction, limit: page.limit } as const
  const items = await ports.reader.list('LogLeaf', query)
  const last = items.length === page.limit ? items.at(-1)?.position : undefined
  return { items, next: last == null ? null : encodeCursor(String(last)) }
}

function parsePosition(cursor: string): number {
  const text = decodeCursor(cursor)
  if (!POSITION.test(text)) throw pageError('CURSOR_INVALID')
  return Number(text)
}
