import type { Bytes } from '#kernel/bytes.ts'
import type { Random } from '#kernel/random.ts'

const RANDOM_OCTETS = 17

/** One octet of the replica, which keeps replicas apart, and 136 random bits. */
export function newSerial(prefix: number, random: Random): Bytes {
  const serial = new Uint8Array(1 + RANDOM_OCTETS)
  serial[0] = prefix
  serial.set(random.bytes(RANDOM_OCTETS), 1)
  return serial
}

/** Which CRL a certificate is to be found on: fixed by its serial, from the first certificate on. */
export function shardOf(serial: Bytes, shards: number): number {
  return serial.subarray(-4).reduce((value, octet) => value * 256 + octet, 0) % shards
}
