import { authorityError, revokingSigner, type RevokingSigner } from '#authority/index.ts'
import type { Keys, Reader } from './ports.ts'

/**
 * The key of an X.509 authority, to sign what became of its certificates: also after it has retired or was tainted,
 * until the last of them has run out (R11); the same of a root whose key is at hand. Opened anew each time, for as long as that takes.
 * @throws AUTHORITY_NOT_FOUND, AUTHORITY_NOT_ACTIVE when it is only prepared, KEY_…
 */
export async function openStatusSigner(
  { reader, keys }: { readonly reader: Reader; readonly keys: Keys },
  id: string,
): Promise<RevokingSigner> {
  const authority = await reader.find('Authority', { id })
  if (authority?.kind !== 'x509' && authority?.kind !== 'x509-root')
    throw authorityError('AUTHORITY_NOT_FOUND', { details: { authority: id } })
  return revokingSigner(authority, await keys.open(authority.keyReference, authority.publicKey))
}
