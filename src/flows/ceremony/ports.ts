import type { Clock } from '#kernel/clock.ts'
import type { JsonObject } from '#kernel/json.ts'
import type { Random } from '#kernel/random.ts'
import type { Keys } from '../ports.ts'

/** The home of the root's key: a token of its own, or a folder. */
export interface CeremonyKeys extends Keys {
  /** Whether there is a key of this name. */
  holds(name: string): Promise<boolean>
  /** What opens the key of this name. */
  referenceOf(name: string): string
  /** What the home says of itself and of the key: facts for the transcript, nothing secret. */
  describe(reference: string): Promise<JsonObject>
}

/** Where the transcript grows. A line is durable when `append` resolves. */
export interface TranscriptSink {
  append(line: string): Promise<void>
}

/** The folder of what the ceremony makes. Nothing in it is ever written over. */
export interface CeremonyFiles {
  write(name: string, contents: string): Promise<void>
}

export interface CeremonyPorts {
  readonly keys: CeremonyKeys
  /** The home of the key of a root that certifies this one; may be the same. */
  readonly crossKeys: CeremonyKeys
  readonly clock: Clock
  readonly random: Random
  readonly sink: TranscriptSink
  readonly files: CeremonyFiles
  /** Version of this program and of what runs it. */
  readonly tool: { readonly writ: string; readonly node: string }
}
