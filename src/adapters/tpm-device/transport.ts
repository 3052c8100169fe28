import type { Bytes } from '#kernel/bytes.ts'
import type { Milliseconds } from '#kernel/instant.ts'
import { tpmDeviceError } from './errors.ts'

/** One way to a TPM: a command goes in whole, its response comes back whole. One command at a time. */
export interface TpmTransport {
  /** @throws TPM_CONNECTION_LOST, TPM_TIMED_OUT, TPM_ANSWER_INVALID; after any of them the transport is of no more use */
  transmit(command: Bytes): Promise<Bytes>
  close(): Promise<void>
}

/** Tag, size, response code. */
export const HEADER_LENGTH = 10
/** The largest response of a PC Client TPM, and of the kernel's device. */
export const LARGEST_RESPONSE = 4096
/** The kernel gives a TPM 300 s to make a key; a caller that waits longer waits for nothing. */
export const DEFAULT_TIME_LIMIT: Milliseconds = 300_000

/**
 * The size field of a response of which `received` is the beginning; null while that is not there yet.
 * @throws TPM_ANSWER_INVALID when no response can have that size, or more than one response has arrived
 */
export function responseSize(received: Bytes): number | null {
  if (received.length < HEADER_LENGTH) return null
  const size = new DataView(received.buffer, received.byteOffset).getUint32(2)
  if (size < HEADER_LENGTH || size > LARGEST_RESPONSE || received.length > size) {
    throw tpmDeviceError('TPM_ANSWER_INVALID', { details: { size, received: received.length } })
  }
  return size
}
