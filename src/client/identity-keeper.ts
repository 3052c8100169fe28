import type { Clock } from '#kernel/clock.ts'
import { isWritError, type WritError } from '#kernel/errors.ts'
import { SECOND, toRfc3339, type Milliseconds } from '#kernel/instant.ts'
import type { Random } from '#kernel/random.ts'
import { clientError } from './errors.ts'
import { bundleOf, type Identity } from './identity.ts'
import type { KeptFolder } from './kept-folder.ts'
import { LiveIdentity } from './live-identity.ts'

export interface KeeperOptions {
  readonly clock: Clock
  readonly random: Random
  /** As in `LiveOptions`. */
  readonly enrollAnew?: (() => Promise<Identity>) | undefined
  /** Where the files go. The first is the one that a program reads. */
  readonly folders: readonly [KeptFolder, ...KeptFolder[]]
  /** The files of a new certificate are in the first folder. */
  readonly renewed: (identity: Identity) => void
  /** Between two renewals, the files of another bundle are there: other anchors or keys, not just a later sequence. */
  readonly trusted?: (identity: Identity) => void
  /** Nothing has stopped: it is tried again. IDENTITY_EXPIRED when the certificate in the files is of no use any more. */
  readonly failed: (error: unknown) => void
}

/** How long a removed file may be missing, and how soon a file that could not be written is tried again. */
const CHECK_EVERY: Milliseconds = 2 * SECOND

/**
 * Keeps an identity and its bundle fresh, and their files whole, until it is closed. The old files stay while the
 * server is away. The server is told of the bundle that a program can read: one that could not be written yet is in
 * nobody's use, and a rotation has to wait for it.
 */
export class IdentityKeeper {
  readonly #options: KeeperOptions
  readonly #live: LiveIdentity
  readonly #unwritten = new Set<KeptFolder>()
  readonly #complainedOf = new Set<KeptFolder>()
  readonly #timer: NodeJS.Timeout
  #announced: string
  #trustToTell = false
  /** Of the bundle in the first folder. */
  #written: bigint | undefined

  /** @throws IDENTITY_NOT_WRITTEN when the first folder cannot be written */
  constructor(identity: Identity, options: KeeperOptions) {
    this.#options = options
    this.#announced = identity.serial
    this.#writeTo(options.folders[0], identity)
    this.#live = new LiveIdentity(identity, {
      clock: options.clock,
      random: options.random,
      enrollAnew: options.enrollAnew,
      reports: () => this.#written,
      renewed: () => {
        for (const folder of options.folders) this.#unwritten.add(folder)
        this.#write()
      },
      trusted: (_identity, { contentChanged }) => {
        this.#trustToTell ||= contentChanged
        for (const folder of options.folders) this.#unwritten.add(folder)
        this.#write()
      },
      failed: (error) => {
        options.failed(this.#described(error))
      },
    })
    this.#timer = setInterval(() => {
      this.check()
    }, CHECK_EVERY)
  }

  get identity(): Identity {
    return this.#live.identity
  }

  /** Renews now. @throws what the server refuses; IDENTITY_EXPIRED when the certificate has run out meanwhile */
  async renew(): Promise<void> {
    try {
      await this.#live.renew()
    } catch (error) {
      throw this.#described(error)
    }
  }

  /** Writes again what was removed, or could not be written before. */
  check(): void {
    for (const folder of this.#options.folders) if (!folder.isWhole()) this.#unwritten.add(folder)
    this.#write()
  }

  async close(): Promise<void> {
    clearInterval(this.#timer)
    await this.#live.close()
  }

  #write(): void {
    for (const folder of this.#unwritten) {
      try {
        this.#writeTo(folder, this.identity)
        this.#unwritten.delete(folder)
        this.#complainedOf.delete(folder)
      } catch (error) {
        if (!this.#complainedOf.has(folder)) this.#options.failed(error)
        this.#complainedOf.add(folder)
      }
    }
    this.#announce()
  }

  #writeTo(folder: KeptFolder, identity: Identity): void {
    writeTo(folder, identity)
    if (folder === this.#options.folders[0]) this.#written = bundleOf(identity).sequence
  }

  #announce(): void {
    if (this.#unwritten.has(this.#options.folders[0])) return
    const { identity } = this
    const isRenewed = this.#announced !== identity.serial
    const isTrustNew = this.#trustToTell
    this.#announced = identity.serial
    this.#trustToTell = false
    if (isRenewed) this.#options.renewed(identity)
    else if (isTrustNew) this.#options.trusted?.(identity)
  }

  #described(error: unknown): unknown {
    const { notAfter } = this.identity
    return this.#options.clock.now() < notAfter ? error : expired(this.identity, error)
  }
}

function writeTo(folder: KeptFolder, identity: Identity): void {
  try {
    folder.write(identity)
  } catch (cause) {
    const why = isWritError(cause) ? cause.code : systemCode(cause)
    throw clientError('IDENTITY_NOT_WRITTEN', { cause, details: { folder: folder.path, why } })
  }
}

function systemCode(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : ''
}

function expired(identity: Identity, cause: unknown): WritError {
  const why = isWritError(cause) ? cause.code : ''
  return clientError('IDENTITY_EXPIRED', { cause, details: { since: toRfc3339(identity.notAfter), why } })
}
