import { isWritError } from '#kernel/errors.ts'
import { storeError } from '../errors.ts'
import type { Target } from './address.ts'
import { asStoreError, connect, isUnavailable, sqlState, type Client } from './connection.ts'

/** Advisory locks of two integers; the first says what kind. */
const REPLICA_LOCK = 0x57524c
const LOCK_NOT_AVAILABLE = '55P03'

/** Ends what is left of connections of ours whose other end we have lost; only we know their name. */
const END_GHOSTS = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
  WHERE application_name = $1 AND pid <> pg_backend_pid()`

const LAST_SEQUENCE = 'SELECT max("seq") AS last FROM "LogLeaf" WHERE "replica" = $1'

export interface SessionOptions {
  readonly target: Target
  readonly replica: string
  /** Tells this process's connection from any other; a few random characters. */
  readonly nonce: string
}

export interface Session {
  readonly client: Client
  /** Number of the next leaf. */
  readonly next: number
}

/**
 * Opens the connection that the journal writes through. It holds the replica's lock for as long as it lives, so two
 * processes never write under one name, and once we hold it, nothing of an earlier connection of ours is still under way.
 * @throws STORE_REPLICA_TAKEN, STORE_UNAVAILABLE, STORE_NOT_DURABLE
 */
export async function openSession({ target, replica, nonce }: SessionOptions): Promise<Session> {
  const name = `writ ${replica.slice(0, 40)} ${nonce}`
  const client = await connect(target, name)
  try {
    await client.query(END_GHOSTS, [name])
    await client.query('SELECT pg_advisory_lock($1, hashtext($2))', [REPLICA_LOCK, replica])
    const { rows } = await client.query<{ last: number | null }>(LAST_SEQUENCE, [replica])
    const last = rows[0]?.last ?? null
    return { client, next: last === null ? 0 : last + 1 }
  } catch (cause) {
    await client.end().catch(() => undefined)
    if (sqlState(cause) === LOCK_NOT_AVAILABLE) throw storeError('STORE_REPLICA_TAKEN', { details: { replica }, cause })
    throw asStoreError(cause)
  }
}

/** The journal's connection: opened again, once per attempt, when it has been lost. */
export class Sessions {
  readonly #options: SessionOptions
  #current: Session | null

  constructor(options: SessionOptions, first: Session) {
    this.#options = options
    this.#current = first
    this.#watch(first)
  }

  /** @throws STORE_UNAVAILABLE, STORE_NOT_DURABLE; STORE_REPLICA_TAKEN when somebody took the name meanwhile */
  async get(): Promise<{ readonly session: Session; readonly fresh: boolean }> {
    if (this.#current !== null) return { session: this.#current, fresh: false }
    const session = await openSession(this.#options)
    this.#current = session
    this.#watch(session)
    return { session, fresh: true }
  }

  /** Undoes what is open. A connection that cannot even do that is given up. */
  async rollback(session: Session, because: unknown): Promise<void> {
    if (isUnavailable(because) && !isWritError(because)) {
      this.discard(session)
      return
    }
    await session.client.query('ROLLBACK').catch(() => {
      this.discard(session)
    })
  }

  discard(session: Session): void {
    if (this.#current === session) this.#current = null
    // Ending politely would wait for a peer that may be gone; the server undoes what was open.
    void session.client.end().catch(() => undefined)
  }

  async close(): Promise<void> {
    const session = this.#current
    this.#current = null
    await session?.client.end().catch(() => undefined)
  }

  #watch(session: Session): void {
    const lost = (): void => {
      if (this.#current === session) this.#current = null
    }
    session.client.once('error', lost)
    session.client.once('end', lost)
  }
}
