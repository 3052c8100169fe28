import type { Signer } from '#kernel/signer.ts'
import type { Secret } from '#kernel/secret.ts'
import { clientError } from './errors.ts'
import { signerFromPem } from './key.ts'

/** Where the private key of an identity is. */
export type IdentityKey =
  { readonly kind: 'pem'; /** PKCS#8 of a P-256 key. */ readonly pem: Secret<string> } | HardwareKey

/** A key that can be used and not read: in a TPM, or in a token behind PKCS#11. */
export interface HardwareKey {
  readonly kind: 'hardware'
  readonly signer: Signer
  /**
   * What is kept in the folder instead of `key.pem`, by file name: `key.json`, by which the key is found again, and
   * what other programs need to use it. None of it is of use without the hardware.
   */
  readonly files: Readonly<Record<string, string>> & { readonly 'key.json': string }
  /** What TLS takes for the key, where an OpenSSL provider is known to reach it (`withProviderTls`). */
  readonly tlsPem?: Secret<string>
}

export function signerOf(key: IdentityKey): Signer {
  return key.kind === 'pem' ? signerFromPem(key.pem) : key.signer
}

/** The key as Node's TLS takes it. @throws KEY_IN_HARDWARE */
export function pemKeyOf({ key }: { readonly key: IdentityKey }): Secret<string> {
  if (key.kind === 'pem') return key.pem
  throw clientError('KEY_IN_HARDWARE')
}
