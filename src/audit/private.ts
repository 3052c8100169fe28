import { toHex, utf8, type Bytes } from '#kernel/bytes.ts'
import { sha256 } from '#kernel/digest.ts'
import type { Random } from '#kernel/random.ts'
import { auditError } from './errors.ts'
import { encodeLeaf, type EncodedLeaf, type LeafDraft, type LeafPlace } from './leaf.ts'
import type { LogPrivateRecord } from './records.ts'

/** A leaf and what lies beside it. */
export interface MadeLeaf extends EncodedLeaf {
  readonly private: readonly LogPrivateRecord[]
}

export type MakeLeaf = (draft: LeafDraft, place: LeafPlace) => MadeLeaf

const SALT_BYTES = 16

/** SHA-256(salt ‖ bytes) as `sha-256:<hex>`. Without the salt the leaf tells nothing of the value. */
export function privateCommitment(salt: Bytes, bytes: Bytes): string {
  return `sha-256:${toHex(sha256(salt, bytes))}`
}

/**
 * Makes leaves whose private values are committed to under a fresh salt each. Erasing salt and value later leaves a
 * leaf that still verifies and tells nothing.
 * @throws AUDIT_LEAF_INVALID, also when a private value and a commitment share a name
 */
export function leafMaker(random: Random): MakeLeaf {
  return (draft, place) => {
    const values = Object.entries(draft.private ?? {})
    if (values.length === 0) return { ...encodeLeaf(draft, place), private: [] }
    const commitments: Record<string, string> = { ...draft.commitments }
    const sealed = values.map(([name, value]) => {
      if (Object.hasOwn(commitments, name)) throw auditError('AUDIT_LEAF_INVALID', { details: { type: draft.type } })
      const salt = random.bytes(SALT_BYTES)
      const bytes = utf8(value)
      commitments[name] = privateCommitment(salt, bytes)
      return { name, salt: toHex(salt), bytes }
    })
    const leaf = encodeLeaf({ ...draft, commitments }, place)
    return { ...leaf, private: sealed.map((value) => ({ leaf: leaf.hash, ...value })) }
  }
}
