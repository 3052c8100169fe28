import { fromBase64, type Bytes } from '#kernel/bytes.ts'
import { isWritError } from '#kernel/errors.ts'
import { canonicalize, parseJson, type JsonObject, type JsonValue } from '#kernel/json.ts'
import { ceremonyError } from './errors.ts'
import { lineDigest, TRANSCRIPT_VERSION } from './transcript.ts'

export interface TranscriptLine {
  readonly number: number
  readonly type: string
  readonly facts: JsonObject
}

/** A transcript whose lines follow each other as they were written. Who signed the last one is another question. */
export interface ReadTranscript {
  readonly lines: readonly TranscriptLine[]
  readonly last: JsonObject
  /** Of the last line. */
  readonly signature: Bytes
}

const MAX_BYTES = 64 * 1024 * 1024
const LINE_LIMITS = { maxBytes: 16 * 1024 * 1024, maxDepth: 16 }

/**
 * Reads a transcript: every line canonical, numbered, and committing to the one before.
 * @throws TRANSCRIPT_ALTERED with the first line that is not right, TRANSCRIPT_UNFINISHED
 */
export function readTranscript(text: string): ReadTranscript {
  if (text.length > MAX_BYTES || !text.endsWith('\n')) throw altered(0, 'size or end')
  const texts = text.slice(0, -1).split('\n')
  const lines: TranscriptLine[] = []
  let previous = ''
  for (const [number, line] of texts.entries()) {
    const facts = readLine(line, number)
    if (facts['previous'] !== previous) throw altered(number, 'previous')
    previous = lineDigest(line)
    lines.push({ number, type: textOf(facts, 'type', number), facts })
  }
  const end = lines.at(-1)
  if (end === undefined || end.type !== 'ceremony.ended') {
    throw ceremonyError('TRANSCRIPT_UNFINISHED', { details: { lines: lines.length } })
  }
  const last = Object.fromEntries(Object.entries(end.facts).filter(([name]) => name !== 'signature'))
  return { lines, last, signature: bytesOf(end.facts, 'signature', end.number) }
}

function readLine(line: string, number: number): JsonObject {
  const value = parsed(line, number)
  if (value === null || typeof value !== 'object' || Array.isArray(value)) throw altered(number, 'form')
  const facts = value as JsonObject
  if (canonicalize(facts) !== line) throw altered(number, 'canonical form')
  if (facts['v'] !== TRANSCRIPT_VERSION || facts['n'] !== number) throw altered(number, 'number')
  return facts
}

function parsed(line: string, number: number): JsonValue {
  try {
    return parseJson(line, LINE_LIMITS)
  } catch (cause) {
    if (isWritError(cause)) throw altered(number, cause.code)
    throw cause
  }
}

export function altered(line: number, reason: string): Error {
  return ceremonyError('TRANSCRIPT_ALTERED', { details: { line: line + 1, reason } })
}

/** @throws TRANSCRIPT_ALTERED */
export function textOf(facts: JsonObject, name: string, number: number): string {
  const value = facts[name]
  if (typeof value !== 'string') throw altered(number, name)
  return value
}

/** @throws TRANSCRIPT_ALTERED */
export function bytesOf(facts: JsonObject, name: string, number: number): Bytes {
  try {
    return fromBase64(textOf(facts, name, number))
  } catch (cause) {
    if (isWritError(cause, 'INVALID_BASE64')) throw altered(number, name)
    throw cause
  }
}
