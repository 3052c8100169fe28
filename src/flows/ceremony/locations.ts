import { toHex } from '#kernel/bytes.ts'
import type { Certificate } from '#x509/index.ts'

/** The name under which a root's CRL is published: its key's identifier, which nobody has to hand out. */
export function rootCrlName(root: Certificate): string {
  return `root-${toHex(root.publicKey.keyIdentifier)}`
}

/** What the certificates that a root signs say of where its CRL is. */
export function rootCrlUrl(statusUrl: string, root: Certificate): string {
  return `${statusUrl}/crl/${rootCrlName(root)}.crl`
}
