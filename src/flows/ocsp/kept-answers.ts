import type { Instant } from '#kernel/instant.ts'
import type { SignedAnswer } from '#revocation/index.ts'
import type { CertIdHash, CertStatus } from '#x509/index.ts'

/** What an answer was made for, and what it says. */
export interface AnswerKey {
  readonly delegate: string
  readonly hash: CertIdHash
  readonly serial: string
  readonly status: CertStatus
}

const MOST_ANSWERS = 4096

/**
 * Answers without a nonce, kept to be given again. Each is found by what the records say now: an answer that says
 * something else is not found, however long it would be valid.
 */
export class KeptAnswers {
  readonly #answers = new Map<string, SignedAnswer>()

  /** One that need not be made anew: less than half of its validity is over (O13). */
  fresh(key: AnswerKey, now: Instant): SignedAnswer | null {
    const answer = this.valid(key, now)
    return answer !== null && now - answer.thisUpdate < (answer.nextUpdate - answer.thisUpdate) / 2 ? answer : null
  }

  /** One that clients still accept, for when no new one can be made. */
  valid(key: AnswerKey, now: Instant): SignedAnswer | null {
    const answer = this.#answers.get(nameOf(key)) ?? null
    return answer !== null && answer.thisUpdate <= now && now < answer.nextUpdate ? answer : null
  }

  /** The one that was made first makes room. */
  keep(key: AnswerKey, answer: SignedAnswer): void {
    const name = nameOf(key)
    this.#answers.delete(name)
    const [first] = this.#answers.keys()
    if (this.#answers.size >= MOST_ANSWERS && first !== undefined) this.#answers.delete(first)
    this.#answers.set(name, answer)
  }
}

export function nameOf({ delegate, hash, serial, status }: AnswerKey): string {
  const said = status.kind === 'revoked' ? `revoked ${status.at.toString()} ${status.reason}` : status.kind
  return `${delegate} ${hash} ${serial} ${said}`
}
