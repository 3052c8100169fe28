import { record } from '#audit/index.ts'
import { utf8 } from '#kernel/bytes.ts'
import { sha256Hex } from '#kernel/digest.ts'
import { revocationError } from '#revocation/index.ts'
import type { Commit, Journal } from '../ports.ts'
import { ENTRIES_AT_ONCE } from './record-entries.ts'

/**
 * Deletes lines that have been on a CRL which was issued after their certificate's end (R8). The certificates' own rows
 * stay as they are.
 */
export async function forgetSpent(
  { journal }: { readonly journal: Journal },
  serials: readonly string[],
  object: string,
): Promise<void> {
  for (let at = 0; at < serials.length; at += ENTRIES_AT_ONCE) {
    const some = serials.slice(at, at + ENTRIES_AT_ONCE)
    await record<Commit>(journal, {
      lock: 'none',
      guards: [],
      changes: [{ op: 'delete', table: 'CrlEntry', where: { serial: { in: some } }, refuse: gone }],
      leaf: {
        type: 'crl.forgotten',
        actor: 'system',
        object,
        decision: 'permit',
        inputDigest: null,
        policy: null,
        commitments: { count: String(some.length), serials: `sha-256:${sha256Hex(utf8(some.join('\n')))}` },
      },
      events: [],
    })
  }
}

function gone(): ReturnType<typeof revocationError> {
  return revocationError('CRL_CHANGED')
}
