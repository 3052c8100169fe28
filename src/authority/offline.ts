import type { AuthorityRecord } from './records.ts'

const OFFLINE = 'offline:'

/** Stands for the issuer of an authority whose certificate a ceremony is still to sign. */
export const AWAITED_ISSUER = 'offline'

/** Stands where a reference to a key would be: no server has this one. */
export function offlineReference(kid: string): string {
  return OFFLINE + kid
}

/** A root whose key only a ceremony opens. */
export function isOfflineRoot({ kind, keyReference }: AuthorityRecord): boolean {
  return kind === 'x509-root' && keyReference.startsWith(OFFLINE)
}

/** Has its key, and waits for a ceremony to sign its certificate. */
export function isAwaiting({ kind, state, certificate, issuer }: AuthorityRecord): boolean {
  return kind === 'x509' && state === 'prepared' && certificate === null && issuer === AWAITED_ISSUER
}

/** Whether issuing authorities come from ceremonies here, also before the first one: then no server signs its own. */
export function isUnderOfflineRoot(records: readonly AuthorityRecord[]): boolean {
  const roots = records.filter(({ kind }) => kind === 'x509-root')
  if (roots.length > 0) return roots.some((root) => root.state !== 'retired' && isOfflineRoot(root))
  return records.some(({ kind, issuer }) => kind === 'x509' && issuer === AWAITED_ISSUER)
}
