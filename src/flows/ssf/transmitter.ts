import type { OutboxRecord } from '#audit/index.ts'
import { record } from '#audit/index.ts'
import { SECURITY_EVENTS } from '#jwt/index.ts'
import { isWritError } from '#kernel/errors.ts'
import { HOUR, type Milliseconds } from '#kernel/instant.ts'
import type { SsfSetRecord, SsfStreamRecord } from '#revocation/index.ts'
import { oldestPosition } from '../feed/follow.ts'
import { ENDING_EVENTS } from './cuts.ts'
import { ssfError } from './errors.ts'
import { streamLeaf } from './leaf.ts'
import { goOnFromNow, isTooFarBack } from './lost-events.ts'
import type { SsfPorts } from './ports.ts'
import { insertSet, MOST_WAITING, signSet, type SetDraft } from './sets.ts'
import { draftsFor, spellOut, type Ended } from './spell-out.ts'
import { pauseStream } from './stream-status.ts'
import { TASK_EVENTS } from './task-state.ts'
import { newestPosition } from './streams.ts'

/** Events of the outbox that are read at a time. */
const PAGE = 200
/** A stream that nothing concerned for so long has its place written down all the same. */
const LONGEST_STEP = 10_000
/** So does one that has had its place for so long: what the outbox forgets lies far behind it. */
const LONGEST_STAY: Milliseconds = HOUR
/** Signatures that are made at the same time. */
const AT_ONCE = 50

/**
 * Turns what happened into security events, stream by stream, in the order of the outbox; one replica does it for all.
 * The events of one happening and the stream's new place are one commit: each is told once, whoever crashes.
 */
export class Transmitter {
  readonly #ports: SsfPorts
  /** How far each stream was followed; in the store only where it was told something. */
  readonly #reached = new Map<string, number>()
  /** When this process last wrote the place of each down, or first saw it. */
  readonly #placed = new Map<string, Milliseconds>()
  readonly #onTold: () => void

  /** `onTold` is called when there is something for receivers. */
  constructor(ports: SsfPorts, onTold: () => void = () => undefined) {
    this.#ports = ports
    this.#onTold = onTold
  }

  /** Follows the outbox for every stream that is enabled. One stream's trouble does not hold up another. */
  async run(): Promise<void> {
    const { reader } = this.#ports
    const streams = await enabledStreams(this.#ports)
    if (streams.length === 0) return
    const ends = { oldest: await oldestPosition(reader), newest: await newestPosition(reader) }
    const spelled = new Map<string, Promise<Ended | null>>()
    const done = await Promise.allSettled(streams.map((stream) => this.#follow(stream, ends, spelled)))
    for (const outcome of done) if (outcome.status === 'rejected') throw outcome.reason
  }

  async #follow(
    stream: SsfStreamRecord,
    { oldest, newest }: Ends,
    spelled: Map<string, Promise<Ended | null>>,
  ): Promise<void> {
    const from = Math.max(stream.position, this.#reached.get(stream.id) ?? -1)
    if (oldest >= 0 && isTooFarBack(from, oldest)) {
      await unlessChanged(() => goOnFromNow(this.#ports, stream))
      return
    }
    const where = { position: { gt: from }, type: { in: typesFor(stream) } } as const
    const query = { where, orderBy: 'position', limit: PAGE } as const
    const events = from >= newest ? [] : await this.#ports.reader.list('Outbox', query)
    const current = await this.#tellAll(stream, events, spelled)
    if (current === null) return
    const reached = events.length === PAGE ? (events.at(-1)?.position ?? from) : Math.max(newest, from)
    this.#reached.set(stream.id, reached)
    if (this.#isToBePlaced(current, reached)) await this.#place(current, reached, [])
  }

  async #tellAll(
    stream: SsfStreamRecord,
    events: readonly OutboxRecord[],
    spelled: Map<string, Promise<Ended | null>>,
  ): Promise<SsfStreamRecord | null> {
    let current = stream
    for (const event of events) {
      const known = spelled.get(event.id) ?? spellOut(this.#ports, event, this.#ports.clock.now())
      spelled.set(event.id, known)
      const next = await this.#tell(current, event, await known)
      if (next === null) return null
      current = next
    }
    return current
  }

  #isToBePlaced({ id, position }: SsfStreamRecord, reached: number): boolean {
    const now = this.#ports.clock.monotonic()
    const since = this.#placed.get(id)
    if (since === undefined) this.#placed.set(id, now)
    return reached - position > LONGEST_STEP || (reached > position && now - (since ?? now) >= LONGEST_STAY)
  }

  /** The stream as it is afterwards; null when it is not to be followed any further now. */
  async #tell(stream: SsfStreamRecord, event: OutboxRecord, ended: Ended | null): Promise<SsfStreamRecord | null> {
    const { issuer, trustDomain } = usOf(this.#ports)
    const drafts = ended === null ? [] : draftsFor(stream, ended, { issuer, trustDomain })
    if (drafts.length === 0) return stream
    const waiting = await this.#ports.reader.list('SsfSet', { where: { stream: stream.id }, limit: MOST_WAITING })
    if (waiting.length + drafts.length > MOST_WAITING) {
      await unlessChanged(() => pauseStream(this.#ports, stream, 'too many events wait to be acknowledged'))
      return null
    }
    const position = event.position ?? stream.position
    const sets = await this.#sign({ ...stream, position }, drafts)
    return (await this.#place(stream, position, sets)) ? { ...stream, position } : null
  }

  async #sign(stream: SsfStreamRecord, drafts: readonly SetDraft[]): Promise<readonly SsfSetRecord[]> {
    const sets: SsfSetRecord[] = []
    for (let first = 0; first < drafts.length; first += AT_ONCE) {
      const some = drafts.slice(first, first + AT_ONCE)
      sets.push(...(await Promise.all(some.map((draft) => signSet(this.#ports, stream, draft)))))
    }
    return sets
  }

  /** False when somebody else has moved or stopped the stream: what was signed for it is thrown away. */
  async #place(stream: SsfStreamRecord, position: number, sets: readonly SsfSetRecord[]): Promise<boolean> {
    const refuse = () => ssfError('SSF_STREAM_CHANGED')
    const where = { id: stream.id, position: stream.position, state: 'enabled' } as const
    try {
      await record(this.#ports.journal, {
        lock: 'none',
        guards: [],
        changes: [{ op: 'update', table: 'SsfStream', where, set: { position }, refuse }, ...sets.map(insertSet)],
        leaf: streamLeaf(
          { type: 'stream.told', actor: 'system', stream: stream.id },
          { position: String(position), count: String(sets.length) },
        ),
        events: [],
      })
      this.#placed.set(stream.id, this.#ports.clock.monotonic())
      if (sets.length > 0) this.#onTold()
      return true
    } catch (error) {
      if (isWritError(error, 'SSF_STREAM_CHANGED')) return false
      throw error
    }
  }
}

/** Whoever was faster has decided. */
async function unlessChanged(act: () => Promise<void>): Promise<void> {
  try {
    await act()
  } catch (error) {
    if (!isWritError(error, 'SSF_STREAM_CHANGED')) throw error
  }
}

/** Tasks are opened all the time: they are read for those only who want to know. */
function typesFor({ events }: SsfStreamRecord): readonly string[] {
  return events.includes(SECURITY_EVENTS.taskState) ? [...new Set([...ENDING_EVENTS, ...TASK_EVENTS])] : ENDING_EVENTS
}

/** Where the outbox begins and ends. */
interface Ends {
  readonly oldest: number
  readonly newest: number
}

function usOf({ profile }: SsfPorts): { readonly issuer: string; readonly trustDomain: string } {
  return { issuer: profile.publicUrl, trustDomain: profile.trustDomain.name }
}

const STREAMS = 1000

/** All streams that events are made for. */
export async function enabledStreams({ reader }: Pick<SsfPorts, 'reader'>): Promise<readonly SsfStreamRecord[]> {
  const streams: SsfStreamRecord[] = []
  for (let after: string | undefined; ;) {
    const page = await reader.list('SsfStream', {
      where: { state: 'enabled' },
      limit: STREAMS,
      ...(after === undefined ? {} : { after }),
    })
    streams.push(...page)
    after = page.at(-1)?.id
    if (page.length < STREAMS || after === undefined) return streams
  }
}
