import type { LeafDraft } from '#audit/index.ts'

/** The leaf of a change of a stream. */
export function streamLeaf(
  what: { readonly type: string; readonly actor: string; readonly stream: string },
  commitments: Readonly<Record<string, string>> = {},
): LeafDraft {
  const { type, actor, stream } = what
  return {
    type,
    actor,
    object: `stream:${stream}`,
    decision: 'permit',
    inputDigest: null,
    policy: null,
    commitments,
  }
}
