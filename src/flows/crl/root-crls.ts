import { isOfflineRoot, type AuthorityRecord } from '#authority/index.ts'
import { COMPLETE, crlId, type CrlRecord } from '#revocation/index.ts'
import { parsePublicKey } from '#x509/index.ts'
import { rootCrlName } from '../ceremony/locations.ts'
import type { Reader } from '../ports.ts'

/** Of a root that makes one a day for a hundred years there would be more. */
const MOST = 1000

/** The root whose CRLs are published under that name; undefined where there is none. */
export function rootNamed(name: string, records: readonly AuthorityRecord[]): AuthorityRecord | undefined {
  // Anybody may ask for anything: no key is read for what cannot be a name.
  if (!/^root-[0-9a-f]{40}$/.test(name)) return undefined
  return records.find((one) => one.kind === 'x509-root' && nameOf(one) === name)
}

const names = new WeakMap<AuthorityRecord, string>()

function nameOf(root: AuthorityRecord): string {
  const known = names.get(root) ?? rootCrlName({ publicKey: parsePublicKey(root.publicKey) })
  names.set(root, known)
  return known
}

/** Every CRL of a root that ceremonies have made, in the order of their numbers: one thousand at most, the newest. */
export async function storedCrls(reader: Reader, { id: authority }: AuthorityRecord): Promise<readonly CrlRecord[]> {
  const newest = { orderBy: 'number', direction: 'descending', limit: MOST } as const
  return (await reader.list('Crl', { where: { authority }, ...newest })).toReversed()
}

/** A row of a root or of an issuing authority as it is at one moment, or one that is to be looked up. */
export interface CrlPlace {
  readonly key: string
  /** What is there now with a higher number than that; null where nothing is. */
  newest(reader: Reader, above: number, now: CrlRecord['thisUpdate']): Promise<CrlRecord | null>
}

/** Where there is one CRL at a time, which its successor replaces. */
export function placeOf(authority: string, scope: string): CrlPlace {
  const id = crlId(authority, scope)
  return { key: id, newest: (reader, above) => reader.find('Crl', { id, number: { gt: above } }) }
}

/** Where the CRLs of a root are: those of one that only ceremonies open wait for their time. */
export function rootPlaceOf(root: AuthorityRecord): CrlPlace {
  if (!isOfflineRoot(root)) return placeOf(root.id, COMPLETE)
  return {
    key: root.id,
    newest: async (reader, above, now) => {
      const where = { authority: root.id, thisUpdate: { lte: now }, number: { gt: above } }
      const [row] = await reader.list('Crl', { where, orderBy: 'number', direction: 'descending', limit: 1 })
      return row ?? null
    },
  }
}
