import type { LeafDraft } from '#audit/index.ts'
import type { Change, Guard } from '../ports.ts'

/** What goes into the commit of a command besides its own: the one use of its approval. */
export interface Besides {
  readonly guards: readonly Guard[]
  readonly changes: readonly Change[]
  readonly commitments: LeafDraft['commitments']
}

export const NOTHING_BESIDES: Besides = { guards: [], changes: [], commitments: {} }
