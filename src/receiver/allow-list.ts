import { isWritError } from '#kernel/errors.ts'
import { SpiffeId } from '#spiffe/index.ts'
import { receiverError } from './errors.ts'

/**
 * Who may call: SPIFFE IDs of instances, or of agents, which let in every instance below them. Empty lets nobody in.
 * Compared segment by segment, trust domain included: `…/agent/bot` does not let `…/agent/bot2` in.
 */
export class AllowList {
  readonly #entries: readonly SpiffeId[]

  /** @throws RECEIVER_OPTIONS_INVALID for what is no SPIFFE ID, or names a whole trust domain */
  constructor(entries: readonly string[]) {
    this.#entries = entries.map(parseEntry)
  }

  allows(caller: SpiffeId): boolean {
    const text = caller.toString()
    return this.#entries.some((entry) => entry.equals(caller) || text.startsWith(`${entry.toString()}/`))
  }
}

function parseEntry(text: string): SpiffeId {
  try {
    const id = SpiffeId.parse(text)
    if (id.segments.length > 0) return id
  } catch (cause) {
    if (!isWritError(cause)) throw cause
    throw receiverError('RECEIVER_OPTIONS_INVALID', { details: { option: 'allow' }, cause })
  }
  throw receiverError('RECEIVER_OPTIONS_INVALID', { details: { option: 'allow' } })
}
