import type { Bytes } from '#kernel/bytes.ts'

const MAX_SERIAL_OCTETS = 20

/** C2: contents octets of a positive INTEGER in its shortest form, at most 20 of them. */
export function isSerial(serial: Bytes): boolean {
  const [first = 0x80, second = 0] = serial
  return serial.length <= MAX_SERIAL_OCTETS && first < 0x80 && (first > 0 || second >= 0x80)
}
