import { MAX_TASK_TOKEN_LIFETIME } from '#jwt/index.ts'
import type { Clock } from '#kernel/clock.ts'
import { instant, MINUTE, type Instant, type Milliseconds } from '#kernel/instant.ts'
import type { CutoffRecord } from '#revocation/index.ts'
import type { TaskTokenRecord } from '#tasks/index.ts'
import type { Reader } from '../ports.ts'
import { cutoffsSince } from '../revoke/cutoffs-since.ts'
import { tokensCutOff } from '../revoke/reach.ts'
import { tokensRestingOn } from '../revoke/resting-tokens.ts'
import { STATUS_LIST_SIZE } from './address.ts'
import { certificatesIn, revocationEvents } from './lone-revocations.ts'

/** Clocks of replicas differ, and a transaction ends later than its rows say: what is this young is read again. */
const OVERLAP: Milliseconds = MINUTE
/** A token that has run out here is still asked for by a receiver whose clock is behind. */
const TOLERANCE: Milliseconds = MINUTE
/** What was taken back longer ago reaches no token that anybody still takes. */
const HORIZON: Milliseconds = MAX_TASK_TOKEN_LIFETIME + OVERLAP + TOLERANCE

export interface DeadTokensPorts {
  readonly reader: Reader
  readonly clock: Clock
}

/**
 * The status indexes of the tokens that were taken back and have not run out. Each replica keeps them for itself, in
 * memory: since no token lives for more than five minutes, they are rebuilt from what happened in the last seven.
 */
export class DeadTokens {
  readonly #ports: DeadTokensPorts
  /** List -> index in it -> the end of the token. */
  readonly #lists = new Map<number, Map<number, Instant>>()
  /** How often a list has changed. */
  readonly #versions = new Map<number, number>()
  /** What was spelled out already, and until when it is read again. */
  readonly #done = new Map<string, Instant>()
  #readAt: Instant | null = null
  /** Of the outbox, up to which it was read. */
  #position: number | null = null

  constructor(ports: DeadTokensPorts) {
    this.#ports = ports
  }

  /** Takes in what was committed since it was last called. Rejects with what the reader rejects with. */
  async refresh(): Promise<void> {
    const { reader, clock } = this.#ports
    const now = clock.now()
    const moment = earlier(now, this.#readAt === null ? HORIZON : now - this.#readAt + OVERLAP)
    const recent = await revocationEvents(reader, { position: this.#position, moment })
    // 1. Cutoffs, which say of everything but one thing what died.
    for (const cutoff of await this.#newCutoffs(moment)) {
      for await (const page of tokensCutOff(reader, cutoff, earlier(now, TOLERANCE))) this.#add(page)
      this.#done.set(versionOf(cutoff), now)
    }
    // 2. Certificates that were revoked alone, which leave no cutoff.
    for (const serial of certificatesIn(recent)) await this.#addHeldBy(serial, now)
    // 3. Only now: what could not be read is read again.
    this.#readAt = now
    this.#position = recent.next
    this.#forget(now)
  }

  /** The indexes in a list that are invalid. */
  invalidIn(list: number): Iterable<number> {
    return this.#lists.get(list)?.keys() ?? []
  }

  /** Rises whenever something in the list has become invalid. */
  versionOf(list: number): number {
    return this.#versions.get(list) ?? 0
  }

  async #newCutoffs(from: Instant): Promise<readonly CutoffRecord[]> {
    const found: CutoffRecord[] = []
    for await (const page of cutoffsSince(this.#ports.reader, from)) {
      found.push(...page.filter((cutoff) => !this.#done.has(versionOf(cutoff))))
    }
    return found
  }

  async #addHeldBy(serial: string, now: Instant): Promise<void> {
    const { reader } = this.#ports
    const certificate = await reader.find('Certificate', { serial, state: 'revoked' })
    if (certificate?.agent == null) return
    for await (const page of tokensRestingOn(reader, [certificate], earlier(now, TOLERANCE))) this.#add(page)
  }

  #add(tokens: readonly TaskTokenRecord[]): void {
    for (const { statusIndex, expiresAt } of tokens) {
      const list = Math.floor(statusIndex / STATUS_LIST_SIZE)
      const index = statusIndex % STATUS_LIST_SIZE
      const indexes = this.#lists.get(list) ?? new Map<number, Instant>()
      if (!indexes.has(index)) this.#versions.set(list, this.versionOf(list) + 1)
      this.#lists.set(list, indexes.set(index, expiresAt))
    }
  }

  #forget(now: Instant): void {
    for (const [version, at] of this.#done) if (at < now - 2 * HORIZON) this.#done.delete(version)
    for (const [list, indexes] of this.#lists) {
      for (const [index, end] of indexes) if (end < now - TOLERANCE) indexes.delete(index)
      if (indexes.size === 0) this.#lists.delete(list)
    }
  }
}

/** A cutoff that was raised is another one. */
function versionOf({ key, before, reason, createdAt }: CutoffRecord): string {
  return [key, before, reason, createdAt].join('\n')
}

function earlier(moment: Instant, length: Milliseconds): Instant {
  return instant(Math.max(0, moment - length))
}
