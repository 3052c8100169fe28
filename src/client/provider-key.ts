import { createPrivateKey, createPublicKey, sign, verify } from 'node:crypto'
import { utf8 } from '#kernel/bytes.ts'
import { Secret } from '#kernel/secret.ts'
import { clientError } from './errors.ts'
import type { Identity } from './identity.ts'

/** What an OpenSSL provider takes for a key: where it is in the TPM, not the key. */
const PROVIDER_FILE = 'key.tss2.pem'

/**
 * The same identity, whose key in a TPM enters the TLS of this process through OpenSSL's provider. Whether that works
 * is found out by a signature: tpm2-openssl before 1.2 loads the key and then signs without it, and a process that was
 * started without the provider does not even load it.
 * @throws KEY_PROVIDER_UNUSABLE
 */
export function withProviderTls(identity: Identity): Identity {
  const { key } = identity
  if (key.kind === 'pem') return identity
  const pem = key.files[PROVIDER_FILE]
  if (pem === undefined || !signs(pem, key.signer.publicKey)) throw clientError('KEY_PROVIDER_UNUSABLE')
  return { ...identity, key: { ...key, tlsPem: new Secret(pem) } }
}

function signs(pem: string, spki: Uint8Array): boolean {
  const probe = utf8('writ: does this provider sign?')
  try {
    const publicKey = createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' })
    return verify('sha256', probe, publicKey, sign('sha256', probe, createPrivateKey(pem)))
  } catch {
    return false
  }
}
