import { HOUR, MINUTE, SECOND, type Milliseconds } from '#kernel/instant.ts'
import { isWritError } from '#kernel/errors.ts'
import type { SsfSetRecord, SsfStreamRecord } from '#revocation/index.ts'
import { forgetSets } from './poll.ts'
import type { SsfPorts } from './ports.ts'
import { openAuthorization } from './sealing.ts'
import { isStreamUpdate, MOST_WAITING } from './sets.ts'
import { pauseStream } from './stream-status.ts'

/** Events of one stream that are pushed in one go. */
const AT_ONCE = 20
const LONGEST_PAUSE: Milliseconds = 5 * MINUTE
/** A receiver that is away for longer has its stream paused; what happens meanwhile is kept, and told once it is back. */
const LONGEST_ABSENCE: Milliseconds = HOUR

/** Since when a receiver has not taken anything, and when it is tried again. */
interface Absence {
  readonly since: Milliseconds
  readonly failures: number
  readonly again: Milliseconds
}

/**
 * Pushes what waits in the streams to the endpoints of their receivers (RFC 8935), oldest first, and again until it is
 * taken: after one second, two, four, and so on up to five minutes. One replica does it for all.
 */
export class Pusher {
  readonly #ports: SsfPorts
  readonly #absences = new Map<string, Absence>()

  constructor(ports: SsfPorts) {
    this.#ports = ports
  }

  async run(): Promise<void> {
    const now = this.#ports.clock.monotonic()
    const streams = await this.#ports.reader.list('SsfStream', { where: { delivery: 'push' }, limit: MOST_WAITING })
    const due = streams.filter(({ id, state }) => state !== 'disabled' && (this.#absences.get(id)?.again ?? 0) <= now)
    const done = await Promise.allSettled(due.map((stream) => this.#serve(stream)))
    for (const outcome of done) if (outcome.status === 'rejected') throw outcome.reason
  }

  async #serve(stream: SsfStreamRecord): Promise<void> {
    const waiting = await this.#waitingIn(stream)
    if (waiting.length === 0) return
    const authorization = await this.#authorizationOf(stream)
    const taken: string[] = []
    const refused: string[] = []
    let isAway = false
    for (const { id, token } of waiting) {
      const outcome = await this.#send(stream, authorization, token)
      if (outcome === 'away') {
        isAway = true
        break
      }
      ;(outcome === 'taken' ? taken : refused).push(id)
    }
    await forgetSets(this.#ports, stream, { actor: 'system', ids: taken, type: 'security-event.delivered' })
    await forgetSets(this.#ports, stream, { actor: 'system', ids: refused, type: 'security-event.refused' })
    if (isAway) await this.#note(stream)
    else this.#absences.delete(stream.id)
  }

  /** A stream that is stopped has nothing to say but that it is. */
  async #waitingIn({ id, state }: SsfStreamRecord): Promise<readonly SsfSetRecord[]> {
    const limit = state === 'enabled' ? AT_ONCE : MOST_WAITING
    const waiting = await this.#ports.reader.list('SsfSet', { where: { stream: id }, limit })
    return state === 'enabled' ? waiting : waiting.filter(isStreamUpdate)
  }

  async #authorizationOf({ id, authorization }: SsfStreamRecord): Promise<string | null> {
    return authorization === null ? null : openAuthorization(this.#ports, id, authorization)
  }

  /** RFC 8935 section 2: 202 is taken, 400 is an event that this receiver will never take. */
  async #send(
    { endpoint }: SsfStreamRecord,
    authorization: string | null,
    token: string,
  ): Promise<'taken' | 'refused' | 'away'> {
    try {
      const status = await this.#ports.push.send({ url: endpoint ?? '', authorization, token })
      if (status === 202) return 'taken'
      return status === 400 ? 'refused' : 'away'
    } catch (error) {
      if (isWritError(error)) return 'away'
      throw error
    }
  }

  async #note(stream: SsfStreamRecord): Promise<void> {
    const now = this.#ports.clock.monotonic()
    const { since, failures } = this.#absences.get(stream.id) ?? { since: now, failures: 0 }
    const pause = Math.min(2 ** failures * SECOND, LONGEST_PAUSE)
    this.#absences.set(stream.id, { since, failures: failures + 1, again: now + pause })
    if (now - since < LONGEST_ABSENCE || stream.state !== 'enabled') return
    try {
      await pauseStream(this.#ports, stream, 'the endpoint did not take events for an hour')
    } catch (error) {
      if (!isWritError(error, 'SSF_STREAM_CHANGED')) throw error
    }
  }
}
