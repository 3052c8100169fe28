import { createPrivateKey, createPublicKey, generateKeyPairSync, sign } from 'node:crypto'
import type { Signer } from '#kernel/signer.ts'
import { Secret } from '#kernel/secret.ts'

/** A new P-256 key as PKCS#8 PEM, made in this process. */
export function generateKeyPem(): Secret<string> {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return new Secret(privateKey.export({ type: 'pkcs8', format: 'pem' }) as string)
}

/** The P-256 key behind a PEM, as a Signer: what a CSR is signed with. */
export function signerFromPem(pem: Secret<string>): Signer {
  const key = createPrivateKey(pem.reveal())
  return {
    algorithm: 'ES256',
    publicKey: new Uint8Array(createPublicKey(key).export({ type: 'spki', format: 'der' })),
    sign: (message) => Promise.resolve(new Uint8Array(sign('sha256', message, key))),
  }
}
