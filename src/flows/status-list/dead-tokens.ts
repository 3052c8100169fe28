import { MAX_TASK_TOKEN_LIFETIME } from '#jwt/index.ts'
import type { Clock } from '#kernel/clock.ts'
import { instant, MINUTE, type Instant, type Milliseconds } from '#kernel/instant.ts'
import type { TaskTokenRecord } from '#tasks/index.ts'
import { revocationsBehind } from '../crl/revocations-told.ts'
import { cutoffsSince } from '../revoke/cutoffs-since.ts'
import { noticedCuts, noticedSerials, type NoticePorts } from '../revoke/noticed.ts'
import { tokensCutOff, type Cut } from '../revoke/reach.ts'
import { tokensRestingOn } from '../revoke/resting-tokens.ts'
import { positionBefore } from '../revoke/start-position.ts'
import { STATUS_LIST_SIZE } from './address.ts'

/** Clocks of replicas differ, and a transaction ends later than its rows say: what is this young is read again. */
const OVERLAP: Milliseconds = MINUTE
/** A token that has run out here is still asked for by a receiver whose clock is behind. */
const TOLERANCE: Milliseconds = MINUTE
/** What was taken back longer ago reaches no token that anybody still takes. */
const HORIZON: Milliseconds = MAX_TASK_TOKEN_LIFETIME + OVERLAP + TOLERANCE

export interface DeadTokensPorts extends NoticePorts {
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
    const now = this.#ports.clock.now()
    // 1. Cutoffs by their own time: they are there at once, also while nobody gives positions.
    await this.#readCutoffs(now)
    // 2. Events by position: no clock hides what they say, and certificates that were revoked alone leave no cutoff.
    await this.#readEvents(now)
    // 3. Only now: what could not be read is read again.
    this.#readAt = now
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

  async #readCutoffs(now: Instant): Promise<void> {
    // The clock may have been set back since.
    const since = this.#readAt === null ? HORIZON : Math.max(0, now - this.#readAt) + OVERLAP
    for await (const page of cutoffsSince(this.#ports.reader, earlier(now, since))) await this.#addCutOff(page, now)
  }

  async #readEvents(now: Instant): Promise<void> {
    const { reader } = this.#ports
    let position = this.#position ?? (await positionBefore(reader, earlier(now, HORIZON)))
    for (;;) {
      const { events, next } = await revocationsBehind(reader, position)
      for (const { data } of events) {
        await this.#addCutOff(await noticedCuts(this.#ports, data), now)
        for (const serial of noticedSerials(data)) await this.#addHeldBy(serial, now)
      }
      this.#position = next
      if (next === position) return
      position = next
    }
  }

  async #addCutOff(cuts: readonly Cut[], now: Instant): Promise<void> {
    for (const cut of cuts.filter((one) => !this.#done.has(nameOf(one)))) {
      for await (const page of tokensCutOff(this.#ports.reader, cut, earlier(now, TOLERANCE))) this.#add(page)
      this.#done.set(nameOf(cut), now)
    }
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
function nameOf({ kind, value, before }: Cut): string {
  return [kind, value, before].join('\n')
}

function earlier(moment: Instant, length: Milliseconds): Instant {
  return instant(Math.max(0, moment - length))
}
