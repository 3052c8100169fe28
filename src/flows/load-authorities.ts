import {
  AuthoritySet,
  isTrusted,
  sequenceOf,
  type AuthorityRecord,
  type CrossCertificate,
  type CurrentAuthorities,
} from '#authority/index.ts'
import type { Signer } from '#kernel/signer.ts'
import type { TrustDomain } from '#spiffe/index.ts'
import type { Keys, Reader } from './ports.ts'
import { crossesOf } from './rotation/cross-sign.ts'

export interface LoadAuthoritiesPorts {
  readonly reader: Reader
  readonly keys: Keys
  readonly profile: { readonly trustDomain: TrustDomain }
}

const PAGE = 500

/** Every authority that there ever was, oldest first. */
export async function listAuthorities(reader: Reader): Promise<readonly AuthorityRecord[]> {
  const records: AuthorityRecord[] = []
  for (let after: string | undefined; ; after = records.at(-1)?.id) {
    const page = await reader.list('Authority', { limit: PAGE, ...(after === undefined ? {} : { after }) })
    records.push(...page)
    if (page.length < PAGE) return records
  }
}

/**
 * The authorities as the store has them, with the keys of the active ones. The key of a root is left alone: whoever
 * signs an issuing authority opens it for as long as that takes. Those of OCSP responders are the responder's to open:
 * a server whose answers fail goes on issuing.
 * @throws KEY_…, AUTHORITY_KEY_MISMATCH, AUTHORITY_CERTIFICATE_INVALID: a server that cannot sign as it should must say so
 */
export async function loadAuthorities(ports: LoadAuthoritiesPorts): Promise<AuthoritySet> {
  return openAuthorities(ports, await listAuthorities(ports.reader))
}

/**
 * Brings the current set up to date with the store, where anybody changed it; run every few seconds on each replica.
 * @throws as `loadAuthorities`; the set is then as it was
 */
export async function refreshAuthorities(
  ports: LoadAuthoritiesPorts & { readonly authorities: CurrentAuthorities },
): Promise<void> {
  const records = await listAuthorities(ports.reader)
  if (sequenceOf(records) === ports.authorities.current().sequence) return
  ports.authorities.replace(await openAuthorities(ports, records))
}

async function openAuthorities(
  { reader, keys, profile }: LoadAuthoritiesPorts,
  records: readonly AuthorityRecord[],
): Promise<AuthoritySet> {
  const needed = records.filter(({ kind, state }) => state === 'active' && kind !== 'x509-root' && kind !== 'ocsp')
  const opened = needed.map(async ({ id, keyReference, publicKey }): Promise<[string, Signer]> => [
    id,
    await keys.open(keyReference, publicKey),
  ])
  const signers = new Map(await Promise.all(opened))
  const crossCertificates = await listCrosses(reader, records)
  return AuthoritySet.of({ trustDomain: profile.trustDomain, records, signers, crossCertificates })
}

/** How trusted roots have signed one another; one alone has nobody to do so. */
async function listCrosses(reader: Reader, records: readonly AuthorityRecord[]): Promise<readonly CrossCertificate[]> {
  const roots = records.filter(({ kind, state }) => kind === 'x509-root' && isTrusted(state))
  if (roots.length < 2) return []
  return (await Promise.all(roots.map((root) => crossesOf(reader, root)))).flat()
}
