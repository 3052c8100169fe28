import { record, type LeafDraft } from '#audit/index.ts'
import { utf8 } from '#kernel/bytes.ts'
import { sha256Hex } from '#kernel/digest.ts'
import { isWritError } from '#kernel/errors.ts'
import { isUpgrade, revocationError, type CrlEntryRecord } from '#revocation/index.ts'
import type { Change, Commit, Journal, Reader } from '../ports.ts'

/** How many lines one commit adds: it keeps nobody waiting for long. */
export const ENTRIES_AT_ONCE = 500

const ATTEMPTS = 3

/**
 * Sees to it that the CRLs list these certificates, as one commit with its leaf; what they list already stays as it is.
 * Answers what was added or changed. At most `ENTRIES_AT_ONCE` at a time.
 * @throws CRL_CHANGED when others keep adding the same, and what the store throws
 */
export async function recordEntries(
  { reader, journal }: { readonly reader: Reader; readonly journal: Journal },
  entries: readonly CrlEntryRecord[],
  because: string,
): Promise<readonly CrlEntryRecord[]> {
  for (let left = ATTEMPTS - 1; ; left--) {
    const needed = await changesOf(reader, entries)
    if (needed.length === 0) return []
    try {
      await record<Commit>(journal, {
        lock: 'none',
        guards: [],
        changes: needed.map(({ change }) => change),
        leaf: leafOf(needed, because),
        events: [],
      })
      return needed.map(({ entry }) => entry)
    } catch (error) {
      if (left === 0 || !isWritError(error, 'CRL_CHANGED')) throw error
    }
  }
}

interface Needed {
  readonly entry: CrlEntryRecord
  readonly change: Change
}

async function changesOf(reader: Reader, entries: readonly CrlEntryRecord[]): Promise<readonly Needed[]> {
  if (entries.length === 0) return []
  const serials = entries.map(({ serial }) => serial)
  const stored = await reader.list('CrlEntry', { where: { serial: { in: serials } }, limit: ENTRIES_AT_ONCE })
  const bySerial = new Map(stored.map((entry) => [entry.serial, entry]))
  return entries.flatMap((entry) => changeOf(bySerial.get(entry.serial), entry))
}

function changeOf(stored: CrlEntryRecord | undefined, entry: CrlEntryRecord): readonly Needed[] {
  if (stored === undefined) return [{ entry, change: listing(entry) }]
  if (!isUpgrade(stored, entry)) return []
  const { serial, reason } = stored
  const set = { reason: entry.reason, addedAt: entry.addedAt }
  const change = { op: 'update', table: 'CrlEntry', where: { serial, reason }, set, refuse: changed } as const
  return [{ entry: { ...stored, ...set }, change }]
}

/** For stories that take back a single certificate in a commit of their own. */
export function listing(row: CrlEntryRecord): Change {
  return { op: 'insert', table: 'CrlEntry', row, refuse: changed }
}

function changed(): Error & ReturnType<typeof revocationError> {
  return revocationError('CRL_CHANGED')
}

/** The lines are derived, and are in the table: the leaf says how many there were, and commits to which. */
function leafOf(needed: readonly Needed[], because: string): LeafDraft {
  const lines = needed.map(({ entry }) => `${entry.serial} ${entry.reason}`).sort()
  return {
    type: 'crl.listed',
    actor: 'system',
    object: because,
    decision: 'permit',
    inputDigest: null,
    policy: null,
    commitments: { count: String(lines.length), entries: `sha-256:${sha256Hex(utf8(lines.join('\n')))}` },
  }
}
