import { openSealed, sealSecret } from '#jwt/index.ts'
import { fromUtf8, utf8, type Bytes } from '#kernel/bytes.ts'
import { FOR_EVER } from '#revocation/index.ts'
import type { SsfPorts } from './ports.ts'

const ID = 'ssf-authorization'
const KEY_BYTES = 32
const NONCE_BYTES = 12

type SealingPorts = Pick<SsfPorts, 'reader' | 'firsts' | 'random'>

/** What a receiver wants to be shown with each push, as it is stored: for this stream only. */
export async function sealAuthorization(ports: SealingPorts, stream: string, header: string): Promise<Bytes> {
  const key = await sharedKey(ports)
  return sealSecret(key, { plain: utf8(header), context: utf8(stream), nonce: ports.random.bytes(NONCE_BYTES) })
}

/** @throws SEALED_SECRET_INVALID when it was sealed for another stream, or with another key */
export async function openAuthorization(ports: SealingPorts, stream: string, sealed: Bytes): Promise<string> {
  return fromUtf8(openSealed(await sharedKey(ports), { sealed, context: utf8(stream) }))
}

/** Whichever replica was first made the key; all of them use it. */
async function sharedKey({ reader, firsts, random }: SealingPorts): Promise<Bytes> {
  const stored = await reader.find('SealingKey', { id: ID })
  if (stored !== null) return stored.secret
  const proposed = { id: ID, secret: random.bytes(KEY_BYTES), expiresAt: FOR_EVER }
  await firsts.insertFirst('SealingKey', proposed)
  return (await reader.find('SealingKey', { id: ID }))?.secret ?? proposed.secret
}
