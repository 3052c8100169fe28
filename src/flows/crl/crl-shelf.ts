import type { AuthoritySource } from '#authority/index.ts'
import type { Clock } from '#kernel/clock.ts'
import { sha256Hex } from '#kernel/digest.ts'
import { SECOND, type Milliseconds } from '#kernel/instant.ts'
import { COMPLETE, revocationError, type CrlRecord } from '#revocation/index.ts'
import type { Reader } from '../ports.ts'
import type { CrlKeeper } from './ports.ts'
import { placeOf, rootNamed, rootPlaceOf, type CrlPlace } from './root-crls.ts'

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
    this.#keep(crl.id, crl)
  }

  #keep(key: string, crl: CrlRecord): void {
    const known = this.#places.get(key)
    const freshUntil = this.#options.clock.monotonic() + BEHIND
    if (known === undefined || known.crl.number < crl.number) {
      this.#places.set(key, { crl: { ...crl, digest: sha256Hex(crl.der) }, freshUntil })
    } else {
      known.freshUntil = freshUntil
    }
  }

  /**
   * The CRL of a shard of an authority, or the one of everything; of a root by its name, see `rootCrlName`.
   * @throws CRL_NOT_FOUND; what the store throws when none was ever read here
   */
  async find(authority: string, scope: string): Promise<ServedCrl> {
    // Names that nothing has are not looked up: anybody can ask.
    const place = this.#placeOf(authority, scope)
    if (place === null) throw notFound(authority, scope)
    const known = this.#places.get(place.key)
    if (known === undefined) return this.#read(place)
    if (this.#options.clock.monotonic() < known.freshUntil) return known.crl
    return this.#refresh(place, known)
  }

  #placeOf(authority: string, scope: string): CrlPlace | null {
    const current = this.#options.authorities.current()
    const isShard = /^(?:0|[1-9]\d{0,3})$/.test(scope) && Number(scope) < this.#options.shards
    if (isShard || scope === COMPLETE) {
      if (current.find(authority)?.kind === 'x509') return placeOf(authority, scope)
    }
    const root = scope === COMPLETE ? rootNamed(authority, current.records) : undefined
    return root === undefined ? null : rootPlaceOf(root)
  }

  async #read(place: CrlPlace): Promise<ServedCrl> {
    const { reader, clock } = this.#options
    const row = await place.newest(reader, NONE, clock.now())
    if (row === null) throw notFound(place.key, '')
    this.#keep(place.key, row)
    return this.#places.get(place.key)?.crl ?? { ...row, digest: sha256Hex(row.der) }
  }

  /** Only a newer one is read whole. */
  async #refresh(place: CrlPlace, known: Place): Promise<ServedCrl> {
    const { reader, clock } = this.#options
    known.freshUntil = clock.monotonic() + BEHIND
    try {
      const newer = await place.newest(reader, known.crl.number, clock.now())
      if (newer !== null) this.#keep(place.key, newer)
    } catch {
      // The store is away: what was published last is still the newest that anybody has.
    }
    return this.#places.get(place.key)?.crl ?? known.crl
  }
}

/** Below every number. */
const NONE = -1

function notFound(authority: string, scope: string): ReturnType<typeof revocationError> {
  return revocationError('CRL_NOT_FOUND', { details: { authority, scope } })
}
