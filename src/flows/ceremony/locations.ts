import type { IssuanceProfile } from '#issuance/index.ts'
import { toHex } from '#kernel/bytes.ts'
import type { Certificate } from '#x509/index.ts'

/** The name under which a root's CRL is published: its key's identifier, which nobody has to hand out. */
export function rootCrlName(root: Pick<Certificate, 'publicKey'>): string {
  return `root-${toHex(root.publicKey.keyIdentifier)}`
}

/** What the certificates that a root signs say of where its CRL is. */
export function rootCrlUrl(statusUrl: string, root: Pick<Certificate, 'publicKey'>): string {
  return `${statusUrl}/crl/${rootCrlName(root)}.crl`
}

/** The same for a root of a server that publishes; null where it does not. */
export function publishedCrl(
  { statusUrl }: Pick<IssuanceProfile, 'statusUrl'>,
  root: Pick<Certificate, 'publicKey'>,
): string | null {
  return statusUrl === null ? null : rootCrlUrl(statusUrl, root)
}
