import type { Reader } from './ports.ts'

/** The reader for the reads of one story: none of them is older than the first. */
export function readTogether(reader: Reader): Reader {
  return reader.together?.() ?? reader
}
