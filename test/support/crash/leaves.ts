import type { Tables } from '#flows/tables.ts'
import { fromUtf8 } from '#kernel/bytes.ts'

export type Leaf = Tables['LogLeaf']

/** A leaf as it was written. */
export function contentOf({ bytes }: Leaf): {
  readonly decision: string
  readonly commitments: Record<string, string>
} {
  return JSON.parse(fromUtf8(bytes)) as { decision: string; commitments: Record<string, string> }
}

/** What was permitted and done, in the order of one replica. */
export function done(leaves: readonly Leaf[], type: RegExp): readonly Leaf[] {
  const permitted = leaves.filter((leaf) => type.test(leaf.type) && contentOf(leaf).decision === 'permit')
  return permitted.toSorted((one, other) => one.seq - other.seq)
}
