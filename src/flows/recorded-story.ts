import { recordDenial } from '#audit/index.ts'
import type { LeafDraft } from '#audit/index.ts'
import { isWritError } from '#kernel/errors.ts'
import type { Commit, Committed, Journal } from './ports.ts'

/** What is known of a request before anything is decided. */
export type Attempt = Pick<LeafDraft, 'type' | 'actor' | 'object'>

/**
 * Runs a story of an authenticated caller, and writes down its refusal unless the journal did so already (AU-1: a
 * denial is on record before the answer leaves). Failures of the store are no decisions. The story must commit
 * through the ports that it is given here.
 */
export async function recordingDenials<Ports extends { readonly journal: Journal }, Answer>(
  ports: Ports,
  attempt: Attempt,
  story: (ports: Ports) => Promise<Answer>,
): Promise<Answer> {
  const journal = new WatchedJournal(ports.journal)
  try {
    return await story({ ...ports, journal })
  } catch (error) {
    if (isWritError(error) && !journal.rejected(error)) {
      const { policy, input } = error.details
      await recordDenial(ports.journal, {
        ...attempt,
        code: error.code,
        policy: typeof policy === 'string' ? policy : null,
        inputDigest: typeof input === 'string' ? input : null,
      })
    }
    throw error
  }
}

/** Remembers what commits rejected with: those refusals have their leaf, and failures of the store get none. */
class WatchedJournal implements Journal {
  readonly #journal: Journal
  readonly #rejections = new WeakSet()

  constructor(journal: Journal) {
    this.#journal = journal
  }

  async commit(commit: Commit): Promise<Committed> {
    try {
      return await this.#journal.commit(commit)
    } catch (error) {
      if (isWritError(error)) this.#rejections.add(error)
      throw error
    }
  }

  rejected(error: object): boolean {
    return this.#rejections.has(error)
  }
}
