import { recordDenial, type Denial } from '#audit/index.ts'
import { isWritError } from '#kernel/errors.ts'
import type { Journal } from './ports.ts'

/** What a denial leaf says besides the code of the refusal. */
export type DenialDraft = Omit<Denial, 'code'>

/**
 * Runs the part of a story that decides, before there is anything to commit, and writes a refusal down. A commit that
 * is refused writes its own denial and does not belong in here.
 */
export async function decide<Decided>(
  journal: Journal,
  draft: DenialDraft,
  decision: () => Decided | Promise<Decided>,
): Promise<Decided> {
  try {
    return await decision()
  } catch (error) {
    if (isWritError(error)) await recordDenial(journal, { ...draft, code: error.code })
    throw error
  }
}
