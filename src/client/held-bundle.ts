import { parseCompact } from '#jwt/index.ts'
import { toHex } from '#kernel/bytes.ts'
import { isWritError } from '#kernel/errors.ts'
import { SECOND, type Milliseconds } from '#kernel/instant.ts'
import type { Secret } from '#kernel/secret.ts'
import { DEFAULT_REFRESH_SECONDS, decodeBundle, type Bundle, type TrustDomain } from '#spiffe/index.ts'
import { parseCertificate, type Certificate } from '#x509/index.ts'
import type { ServerTrust } from './server-trust.ts'

/** What a newer bundle changed. */
export interface BundleChange {
  /** An anchor is trusted no more: what was verified under it has to be verified again. */
  readonly anchorsGone: boolean
  /** Whether anything differs but the sequence. */
  readonly contentChanged: boolean
}

/** The SPIFFE bundle that is in use now. It is replaced whole, and never goes back in sequence. */
export class HeldBundle {
  readonly #trustDomain: TrustDomain
  #json: string
  #bundle: Bundle
  #anchors: readonly Certificate[]

  /** @throws BUNDLE_*, CERTIFICATE_* */
  constructor(trustDomain: TrustDomain, json: string) {
    this.#trustDomain = trustDomain
    this.#json = json
    this.#bundle = decodeBundle(trustDomain, json)
    this.#anchors = anchorsIn(this.#bundle)
  }

  get json(): string {
    return this.#json
  }

  /** Undefined when the bundle has none. */
  get sequence(): bigint | undefined {
    return this.#bundle.sequence
  }

  get anchors(): readonly Certificate[] {
    return this.#anchors
  }

  get trust(): ServerTrust {
    return { kind: 'anchors', anchors: this.#anchors }
  }

  /** Whether the key that a WIT-SVID says it is signed with is in the bundle; what is none has no such key. */
  holdsKeyOf(wit: Secret<string>): boolean {
    try {
      const { kid } = parseCompact(wit.reveal(), 'wit-svid').header
      return kid !== undefined && this.#bundle.tokenAuthority('wit-svid', kid) !== undefined
    } catch (error) {
      if (isWritError(error)) return false
      throw error
    }
  }

  /** How long it may be used before it is fetched again. */
  get refreshHint(): Milliseconds {
    return Math.max(1, this.#bundle.refreshHint ?? DEFAULT_REFRESH_SECONDS) * SECOND
  }

  /**
   * Takes a bundle into use when it is newer; null when it is not. One without a sequence is newer when it differs.
   * @throws BUNDLE_*, CERTIFICATE_*: one that is partly wrong changes nothing
   */
  offer(json: string): BundleChange | null {
    const bundle = decodeBundle(this.#trustDomain, json)
    const [held, offered] = [this.#bundle.sequence, bundle.sequence]
    if (held !== undefined && (offered === undefined || offered <= held)) return null
    const contentChanged = contentOf(bundle) !== contentOf(this.#bundle)
    if (offered === held && !contentChanged) return null
    const anchors = anchorsIn(bundle)
    const remaining = new Set(anchors.map(({ der }) => toHex(der)))
    const anchorsGone = this.#anchors.some(({ der }) => !remaining.has(toHex(der)))
    this.#json = json
    this.#bundle = bundle
    this.#anchors = anchors
    return { anchorsGone, contentChanged }
  }
}

function anchorsIn(bundle: Bundle): readonly Certificate[] {
  return bundle.x509Authorities.map((der) => parseCertificate(der))
}

/** Everything but the sequence, in an order that says nothing. */
function contentOf({ entries, refreshHint }: Bundle): string {
  const texts = entries.map((entry) =>
    entry.use === 'x509-svid' ? toHex(entry.certificate) : `${entry.use} ${entry.kid} ${JSON.stringify(entry.key)}`,
  )
  return [String(refreshHint), ...texts.toSorted()].join('\n')
}
