import { toHex } from '#kernel/bytes.ts'
import type { Random } from '#kernel/random.ts'

/** An id for a row of the migration history, in the form in which Prisma writes it. */
export function newUuid(random: Random): string {
  return toHex(random.bytes(16)).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}
