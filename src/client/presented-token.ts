import type { Secret } from '#kernel/secret.ts'
import type { Identity } from './identity.ts'
import { createDpopProof } from './proofs.ts'
import { proverOf, type Means } from './signed-calls.ts'

/** The headers that present a task token: over the certificate's connection it is enough, else the key signs for it. */
export async function presentedToken(
  identity: Pick<Identity, 'key'>,
  means: Means,
  request: { readonly method: string; readonly url: string; readonly token: Secret<string> },
): Promise<Readonly<Record<string, string>>> {
  const { method, url, token } = request
  if (identity.key.kind === 'pem' || identity.key.tlsPem !== undefined) {
    return { authorization: `Bearer ${token.reveal()}` }
  }
  const dpop = await createDpopProof(proverOf(identity, means), { method, url, accessToken: token })
  return { authorization: `DPoP ${token.reveal()}`, dpop }
}
