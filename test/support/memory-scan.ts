import { closeSync, openSync, readFileSync, readSync } from 'node:fs'

const CHUNK = 64 * 1024
/** Of the longest thing that is looked for, less one. */
const OVERLAP = 255
const BUFFER = Buffer.alloc(CHUNK + OVERLAP)
const ZEROS = Buffer.alloc(CHUNK + OVERLAP)

/** How often each of the octet strings is in the writable memory of a process, whichever way round it is stored. */
export function findInMemory(pid: number, wanted: readonly Buffer[]): number {
  const patterns = wanted.flatMap((octets) => [octets, Buffer.from(octets.toReversed())])
  const memory = openSync(`/proc/${String(pid)}/mem`, 'r')
  try {
    return regionsOf(pid).reduce((sum, region) => sum + countIn(memory, region, patterns), 0)
  } finally {
    closeSync(memory)
  }
}

interface Region {
  readonly start: bigint
  readonly size: number
}

function regionsOf(pid: number): readonly Region[] {
  const lines = readFileSync(`/proc/${String(pid)}/maps`, 'utf8')
    .trim()
    .split('\n')
  return lines.flatMap((line) => {
    const [, from = '', to = '', access = ''] = /^([0-9a-f]+)-([0-9a-f]+) (\S+)/.exec(line) ?? []
    const [start, end] = [BigInt(`0x${from}`), BigInt(`0x${to}`)]
    return access.startsWith('rw') ? [{ start, size: Number(end - start) }] : []
  })
}

function countIn(memory: number, { start, size }: Region, patterns: readonly Buffer[]): number {
  let found = 0
  for (let at = 0; at < size; at += CHUNK) {
    const length = readAt(memory, BUFFER.subarray(0, Math.min(CHUNK + OVERLAP, size - at)), start + BigInt(at))
    const part = BUFFER.subarray(0, length)
    // Most of what a process has reserved was never used.
    if (part.equals(ZEROS.subarray(0, length))) continue
    found += patterns.filter((pattern) => part.includes(pattern)).length
  }
  return found
}

/** Memory that is reserved and never touched cannot be read. */
function readAt(memory: number, chunk: Buffer, position: bigint): number {
  try {
    return readSync(memory, chunk, 0, chunk.length, position)
  } catch {
    return 0
  }
}
