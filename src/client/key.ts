import { createPrivateKey, createPublicKey, generateKeyPairSync, sign, type KeyObject } from 'node:crypto'
import type { Signer } from '#kernel/signer.ts'
import { Secret } from '#kernel/secret.ts'
import { parsePublicKey } from '#x509/index.ts'
import { clientError } from './errors.ts'

/** A new P-256 key as PKCS#8 PEM, made in this process. */
export function generateKeyPem(): Secret<string> {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return new Secret(privateKey.export({ type: 'pkcs8', format: 'pem' }) as string)
}

/**
 * The key of a certificate that is shown as evidence: P-256, P-384 or RSA, as PEM.
 * @throws EVIDENCE_KEY_UNUSABLE
 */
export function evidenceSigner(pem: Secret<string>): Signer {
  const key = readKey(pem)
  const spki = new Uint8Array(createPublicKey(key).export({ type: 'spki', format: 'der' }))
  const algorithm = ALGORITHMS[parsePublicKey(spki).kind]
  const digest = algorithm === 'ES384' ? 'sha384' : 'sha256'
  return { algorithm, publicKey: spki, sign: (message) => Promise.resolve(new Uint8Array(sign(digest, message, key))) }
}

const ALGORITHMS = { 'P-256': 'ES256', 'P-384': 'ES384', RSA: 'RS256' } as const

function readKey(pem: Secret<string>): KeyObject {
  try {
    return createPrivateKey(pem.reveal())
  } catch {
    // What OpenSSL says of it may quote the key.
    throw clientError('EVIDENCE_KEY_UNUSABLE')
  }
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
