import { recordDenial } from '#audit/index.ts'
import type { LeafDraft } from '#audit/index.ts'
import { isWritError } from '#kernel/errors.ts'
import type { Commit, Committed, Journal } from './ports.ts'

/** What is known of a request before anything is decided. */
export interface Attempt extends Pick<LeafDraft, 'type' | 'actor' | 'object'> {
  readonly commitments?: LeafDraft['commitments']
  /** What is kept beside the leaf of a refusal, asked for only when there is one. */
  readonly explain?: () => Readonly<Record<string, string>>
}

/** Who has not shown anything is counted at the door; a leaf for each would let anyone fill the log. */
const UNKNOWN_CALLER = 'AUTHENTICATION_REQUIRED'
/** Who is asked to come again with a nonce has not been refused anything. */
const UNDECIDED = ['DPOP_NONCE_REQUIRED', 'DPOP_NONCE_INVALID']

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
    if (isWritError(error) && !isUnrecorded(error.code) && !journal.rejected(error)) {
      const { policy, input } = error.details
      const { type, actor, object, commitments, explain } = attempt
      await recordDenial(ports.journal, {
        type,
        actor,
        object,
        ...(commitments === undefined ? {} : { commitments }),
        ...(explain === undefined ? {} : { private: explain() }),
        code: error.code,
        policy: typeof policy === 'string' ? policy : null,
        inputDigest: typeof input === 'string' ? input : null,
      })
    }
    throw error
  }
}

function isUnrecorded(code: string): boolean {
  return code === UNKNOWN_CALLER || UNDECIDED.includes(code)
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
