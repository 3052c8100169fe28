import { isWritError } from '#kernel/errors.ts'
import { concat, fromUtf8, type Bytes } from '#kernel/bytes.ts'
import { receiverError } from '../errors.ts'

/** One event of a text/event-stream (HTML, "Server-sent events"). */
export interface StreamEvent {
  /** `message` where the stream does not say. */
  readonly name: string
  readonly data: string
  /** As this event says it; what an earlier one said is not carried on. */
  readonly id: string | undefined
}

export interface StreamLimits {
  readonly maxLineBytes: number
  readonly maxEventBytes: number
}

const LIMITS: StreamLimits = { maxLineBytes: 16 * 1024, maxEventBytes: 64 * 1024 }
const [LINE_FEED, CARRIAGE_RETURN] = [0x0a, 0x0d]

/**
 * Parses a stream of events, whatever the pieces that it arrives in. Comments and fields that nobody knows are passed
 * over, as the standard has it; lines and events of any length are not.
 */
export class EventParser {
  readonly #limits: StreamLimits
  #line: Bytes[] = []
  #lineBytes = 0
  #eventBytes = 0
  #afterReturn = false
  #isFirst = true
  #name = ''
  #data: string[] = []
  #id: string | undefined

  constructor(limits = LIMITS) {
    this.#limits = limits
  }

  /** The events that end in this piece. @throws RECEIVER_FEED_MALFORMED; the parser is then of no more use */
  *push(piece: Bytes): Generator<StreamEvent> {
    let start = 0
    for (let index = 0; index < piece.length; index++) {
      const octet = piece[index]
      if (octet !== LINE_FEED && octet !== CARRIAGE_RETURN) {
        this.#afterReturn = false
        continue
      }
      const isSecondHalf = octet === LINE_FEED && this.#afterReturn
      this.#afterReturn = octet === CARRIAGE_RETURN
      if (!isSecondHalf) {
        this.#keep(piece.subarray(start, index))
        const event = this.#endLine()
        if (event !== null) yield event
      }
      start = index + 1
    }
    this.#keep(piece.subarray(start))
  }

  #keep(part: Bytes): void {
    if (part.length === 0) return
    this.#lineBytes += part.length
    this.#eventBytes += part.length
    const { maxLineBytes, maxEventBytes } = this.#limits
    if (this.#lineBytes > maxLineBytes || this.#eventBytes > maxEventBytes) throw malformed('length')
    // Whoever reads from a socket may use the same memory again.
    this.#line.push(part.slice())
  }

  #endLine(): StreamEvent | null {
    const line = this.#takeLine()
    if (line === '') return this.#endEvent()
    const colon = line.indexOf(':')
    if (colon === 0) return null
    const field = colon === -1 ? line : line.slice(0, colon)
    const value = colon === -1 ? '' : line.slice(colon + 1).replace(/^ /, '')
    if (field === 'event') this.#name = value
    else if (field === 'data') this.#data.push(value)
    else if (field === 'id') this.#id = value
    return null
  }

  #takeLine(): string {
    const bytes = concat(...this.#line)
    this.#line = []
    this.#lineBytes = 0
    try {
      const text = fromUtf8(bytes)
      const line = this.#isFirst ? text.replace(/^\ufeff/, '') : text
      this.#isFirst = false
      return line
    } catch (cause) {
      if (!isWritError(cause)) throw cause
      throw malformed('encoding')
    }
  }

  #endEvent(): StreamEvent | null {
    const event = { name: this.#name === '' ? 'message' : this.#name, data: this.#data.join('\n'), id: this.#id }
    const isEmpty = this.#data.length === 0
    this.#name = ''
    this.#data = []
    this.#id = undefined
    this.#eventBytes = 0
    return isEmpty ? null : event
  }
}

function malformed(problem: string): Error {
  return receiverError('RECEIVER_FEED_MALFORMED', { details: { problem } })
}
