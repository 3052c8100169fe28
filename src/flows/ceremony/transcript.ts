import type { Receipt } from '#audit/index.ts'
import { record, type LeafDraft } from '#audit/index.ts'
import { toBase64, toHex, utf8, type Bytes } from '#kernel/bytes.ts'
import { sha256 } from '#kernel/digest.ts'
import type { Clock } from '#kernel/clock.ts'
import { toRfc3339 } from '#kernel/instant.ts'
import { canonicalize, type JsonObject } from '#kernel/json.ts'
import type { TranscriptSink } from './ports.ts'

export const TRANSCRIPT_VERSION = 1

/** What no certificate and no CRL begins with: a signature of a transcript can be taken for nothing else. */
const SIGNED_PREFIX = 'writ ceremony transcript, version 1\n'

/** What the root signs: the last line without the signature, which commits to every line before it. */
export function transcriptMessage(last: JsonObject): Bytes {
  return utf8(SIGNED_PREFIX + canonicalize(last))
}

export function lineDigest(line: string): string {
  return toHex(sha256(utf8(line)))
}

interface TranscriptCommit {
  readonly leaf: LeafDraft
}

/**
 * The record of a ceremony while it goes on: one line of canonical JSON for each thing that happens, each with the
 * digest of the line before it, each durable before the next thing is done. Nothing is signed that is not in it.
 */
export class Transcript {
  readonly #sink: TranscriptSink
  readonly #clock: Clock
  #previous = ''
  #count = 0

  constructor(sink: TranscriptSink, clock: Clock) {
    this.#sink = sink
    this.#clock = clock
  }

  async add(type: string, facts: JsonObject): Promise<void> {
    await this.#append(this.#line(type, facts))
  }

  /** Writes down what is about to be signed; the receipt is for that alone. */
  async intend(leaf: Pick<LeafDraft, 'type' | 'object' | 'commitments'>): Promise<Receipt> {
    const commit = async ({ leaf: { type, object, commitments } }: TranscriptCommit) => {
      const line = this.#line(type, { object, commitments })
      const at = this.#clock.now()
      const seq = this.#count
      return { hash: await this.#append(line), replica: 'ceremony', seq, at }
    }
    const draft = { ...leaf, actor: 'ceremony', decision: 'permit', inputDigest: null, policy: null } as const
    return record<TranscriptCommit>({ commit }, { leaf: draft })
  }

  /** The last line, signed by `sign`. */
  async end(facts: JsonObject, sign: (message: Bytes) => Promise<Bytes>): Promise<void> {
    const line = this.#line('ceremony.ended', facts)
    const signature = toBase64(await sign(transcriptMessage(line)))
    await this.#append({ ...line, signature })
  }

  #line(type: string, facts: JsonObject): JsonObject {
    const at = toRfc3339(this.#clock.now())
    return { ...facts, v: TRANSCRIPT_VERSION, n: this.#count, previous: this.#previous, at, type }
  }

  async #append(line: JsonObject): Promise<string> {
    const text = canonicalize(line)
    await this.#sink.append(text)
    this.#count++
    this.#previous = lineDigest(text)
    return this.#previous
  }
}
