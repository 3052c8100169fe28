import type { AuthoritySource } from '#authority/index.ts'
import type { Clock } from '#kernel/clock.ts'
import { sha256Hex } from '#kernel/digest.ts'
import { SECOND, type Milliseconds } from '#kernel/instant.ts'
import { COMPLETE, crlId, revocationError, type CrlRecord } from '#revocation/index.ts'
import type { Reader } from '../ports.ts'
import type { CrlKeeper } from './ports.ts'

/** How far this replica may be behind the one that publishes. */
const BEHIND: Milliseconds = SECOND

export interface CrlShelfOptions {
  readonly reader: Reader
  readonly clock: Clock
  readonly authorities: AuthoritySource
  readonly shards: number
}

/** A CRL as it is served. */
export interface ServedCrl extends CrlRecord {
  /** SHA-256 of the CRL, hex. */
  readonly digest: string
}

interface Place {
  crl: ServedCrl
  /** Until then nobody asks the store for a newer one; on the clock that cannot be set back. */
  freshUntil: Milliseconds
}

/**
 * The newest CRL of each scope, as this replica serves it. Fail static: whoever has one keeps handing it out while the
 * store is away; that it is too old its reader sees.
 */
export class CrlShelf implements CrlKeeper {
  readonly #options: CrlShelfOptions
  readonly #places = new Map<string, Place>()

  constructor(options: CrlShelfOptions) {
    this.#options = options
  }

  keep(crl: CrlRecord): void {
    const known = this.#places.get(crl.id)
    const freshUntil = this.#options.clock.monotonic() + BEHIND
    if (known === undefined || known.crl.number < crl.number) {
      this.#places.set(crl.id, { crl: { ...crl, digest: sha256Hex(crl.der) }, freshUntil })
    } else {
      known.freshUntil = freshUntil
    }
  }

  /**
   * The CRL of a shard of an authority, or the one of everything.
   * @throws CRL_NOT_FOUND; what the store throws when none was ever read here
   */
  async find(authority: string, scope: string): Promise<ServedCrl> {
    // Names that nothing has are not looked up: anybody can ask.
    if (!this.#exists(authority, scope)) throw notFound(authority, scope)
    const id = crlId(authority, scope)
    const known = this.#places.get(id)
    if (known === undefined) return this.#read(id)
    if (this.#options.clock.monotonic() < known.freshUntil) return known.crl
    return this.#refresh(id, known)
  }

  #exists(authority: string, scope: string): boolean {
    const isScope = scope === COMPLETE || (/^(?:0|[1-9]\d{0,3})$/.test(scope) && Number(scope) < this.#options.shards)
    return isScope && this.#options.authorities.current().find(authority)?.kind === 'x509'
  }

  async #read(id: string): Promise<ServedCrl> {
    const row = await this.#options.reader.find('Crl', { id })
    if (row === null) throw notFound(id, '')
    this.keep(row)
    return this.#places.get(id)?.crl ?? { ...row, digest: sha256Hex(row.der) }
  }

  /** Only a newer one is read whole. */
  async #refresh(id: string, known: Place): Promise<ServedCrl> {
    known.freshUntil = this.#options.clock.monotonic() + BEHIND
    try {
      const newer = await this.#options.reader.find('Crl', { id, number: { gt: known.crl.number } })
      if (newer !== null) this.keep(newer)
    } catch {
      // The store is away: what was published last is still the newest that anybody has.
    }
    return this.#places.get(id)?.crl ?? known.crl
  }
}

function notFound(authority: string, scope: string): ReturnType<typeof revocationError> {
  return revocationError('CRL_NOT_FOUND', { details: { authority, scope } })
}
