import type { OutboxNews } from '#flows/ports.ts'
import type { Target } from './address.ts'
import { connect, type Client } from './connection.ts'

export const CHANNEL = 'writ_outbox'

/** Within a transaction: others hear it once, and only if, it has been committed. */
export const NOTIFY_WRITTEN = `SELECT pg_notify('${CHANNEL}', 'written')`

const FIRST_WAIT = 100
const LONGEST_WAIT = 5_000

export interface NotificationOptions {
  readonly target: Target
  readonly replica: string
  readonly tell: (news: OutboxNews) => void
}

/**
 * Hears what other replicas say about the outbox, on a connection that does nothing else. One that is lost is opened
 * again, ever more patiently; what was said meanwhile nobody can know, so everybody is then told to look.
 */
export class Notifications {
  readonly #options: NotificationOptions
  #client: Client | null = null
  #timer: NodeJS.Timeout | null = null
  #wait = FIRST_WAIT
  #closed = false
  #opening: Promise<void> | null = null

  constructor(options: NotificationOptions) {
    this.#options = options
  }

  /** From now on; does nothing when it has been called before. */
  start(): void {
    if (this.#opening !== null || this.#client !== null || this.#timer !== null || this.#closed) return
    this.#opening = this.#open()
  }

  async close(): Promise<void> {
    this.#closed = true
    if (this.#timer !== null) clearTimeout(this.#timer)
    await this.#opening
    await this.#client?.end().catch(() => undefined)
    this.#client = null
  }

  async #open(): Promise<void> {
    try {
      const { target, replica } = this.#options
      const client = await connect(target, `writ ${replica.slice(0, 40)} listener`)
      const lost = (): void => {
        this.#lost(client)
      }
      client.once('error', lost)
      client.once('end', lost)
      client.on('notification', ({ payload }) => {
        this.#options.tell(payload === 'written' ? 'written' : 'sequenced')
      })
      this.#client = client
      await client.query(`LISTEN ${CHANNEL}`)
      this.#wait = FIRST_WAIT
      this.#options.tell('written')
      this.#options.tell('sequenced')
    } catch {
      this.#lost(this.#client)
    } finally {
      this.#opening = null
    }
  }

  #lost(client: Client | null): void {
    if (client !== this.#client) return
    this.#client = null
    void client?.end().catch(() => undefined)
    if (this.#closed || this.#timer !== null) return
    this.#timer = setTimeout(() => {
      this.#timer = null
      this.start()
    }, this.#wait)
    this.#timer.unref()
    this.#wait = Math.min(LONGEST_WAIT, this.#wait * 2)
  }
}
