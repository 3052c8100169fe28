import type { Bytes } from '#kernel/bytes.ts'
import { sha256Hex } from '#kernel/digest.ts'
import type { Instant, Milliseconds } from '#kernel/instant.ts'
import { verifyPresented, type PresentedCertificate, type Trust } from './presented.ts'

const MOST = 10_000

/**
 * Which certificates lead to one trust, so that the signatures of a certificate are checked once and not at each
 * request. Only what never changes is remembered: expiry is looked at every time, revocation lies elsewhere, and
 * another trust is another object.
 */
export class VerifiedCertificates {
  readonly #trust: Trust
  readonly #known = new Map<string, PresentedCertificate>()

  constructor(trust: Trust) {
    this.#trust = trust
  }

  /** @throws as verifyPresented */
  verify(
    chain: readonly Bytes[],
    moment: { readonly at: Instant; readonly grace: Milliseconds },
  ): PresentedCertificate {
    const key = nameOf(chain[0])
    const known = this.#known.get(key)
    if (known?.isValid(moment.at) === true) return known
    const presented = verifyPresented(chain, this.#trust, moment)
    if (!presented.expired) this.#remember(key, presented)
    return presented
  }

  /** The one that was remembered first makes room. */
  #remember(key: string, presented: PresentedCertificate): void {
    const [first] = this.#known.keys()
    if (this.#known.size >= MOST && first !== undefined) this.#known.delete(first)
    this.#known.set(key, presented)
  }
}

const names = new WeakMap<Bytes, string>()

/** A connection shows the same octets with each of its requests. */
function nameOf(leaf: Bytes | undefined): string {
  if (leaf === undefined) return ''
  const known = names.get(leaf)
  if (known !== undefined) return known
  const name = sha256Hex(leaf)
  names.set(leaf, name)
  return name
}
