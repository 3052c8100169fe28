import { toHex } from '#kernel/bytes.ts'
import { isWritError } from '#kernel/errors.ts'
import { certificatesOf, type Identity } from '#client/index.ts'
import type { KeyName } from './sightings.ts'

/** The authority that signed the certificate of an identity. */
export function issuerOf({ chainPem }: Pick<Identity, 'chainPem'>): KeyName {
  const named = certificatesOf(chainPem)[0]?.extension('authorityKeyIdentifier')?.keyIdentifier
  return `x509:${named === undefined ? '' : toHex(named)}`
}

/** The key of a token. */
export function keyOfToken(kind: 'access-token' | 'jwt-svid', token: string): KeyName {
  const header = JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString()) as { kid?: string }
  return `${kind}:${header.kid ?? ''}`
}

/** Every code of an error and of what caused it; and of the peer that was not trusted, who had signed for it. */
export function whyOf(error: unknown): string {
  const words: string[] = []
  for (let one: unknown = error; one instanceof Error && words.length < 8; one = one.cause) {
    const { code } = one as { code?: unknown }
    words.push(typeof code === 'string' ? code : one.name)
    if (isWritError(one) && Object.keys(one.details).length > 0) words.push(JSON.stringify(one.details))
    else if (typeof code !== 'string') words.push(one.message)
  }
  return words.join(' ')
}
