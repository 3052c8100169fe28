import type { TaskTokenClaims } from '#jwt/index.ts'

/** Tokens to a list: 16 KiB that compress to next to nothing while few of them are dead. */
export const STATUS_LIST_SIZE = 2 ** 17

/** Whoever has the number of a list can ask for it; no more than this are ever allocated. */
const MOST_LISTS = Math.floor(Number.MAX_SAFE_INTEGER / STATUS_LIST_SIZE)

/** Where the status of a token stands: the list that its index falls into, and its place there. */
export function statusReference(publicUrl: string, statusIndex: number): NonNullable<TaskTokenClaims['status']> {
  const list = Math.floor(statusIndex / STATUS_LIST_SIZE)
  return { index: statusIndex % STATUS_LIST_SIZE, uri: statusListUri(publicUrl, list) }
}

/** The address of a list, and its name: what tokens and the list itself say must be the same text. */
export function statusListUri(publicUrl: string, list: number): string {
  return `${publicUrl}/status/${String(list)}`
}

/** The number in an address; null for what none of ours has. */
export function parseListNumber(text: string): number | null {
  const list = /^(?:0|[1-9]\d{0,15})$/.test(text) ? Number(text) : Number.NaN
  return list < MOST_LISTS ? list : null
}
