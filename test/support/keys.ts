import { createPublicKey, generateKeyPairSync, sign, type KeyObject } from 'node:crypto'
import { SIGNATURE_ALGORITHMS, type SignatureAlgorithm } from '#kernel/algorithms.ts'
import type { Signer } from '#kernel/signer.ts'
import { jwkFromSpki, thumbprint, VerificationKey } from '#jwt/index.ts'
import type { PublicJwk } from '#spiffe/index.ts'

export interface TestKey {
  readonly signer: Signer
  readonly privateKey: KeyObject
  readonly jwk: PublicJwk
  readonly kid: string
  readonly verificationKey: VerificationKey
}

function generate(algorithm: SignatureAlgorithm): KeyObject {
  const row = SIGNATURE_ALGORITHMS[algorithm]
  if (row.kty === 'RSA') return generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
  return generateKeyPairSync('ec', { namedCurve: row.crv }).privateKey
}

/** A real software key in every form that a test may want. */
export function newTestKey(algorithm: SignatureAlgorithm = 'ES256', privateKey = generate(algorithm)): TestKey {
  const { hash } = SIGNATURE_ALGORITHMS[algorithm]
  const publicKey = new Uint8Array(createPublicKey(privateKey).export({ format: 'der', type: 'spki' }))
  const jwk = jwkFromSpki(publicKey)
  const kid = thumbprint(jwk)
  const signer: Signer = {
    algorithm,
    publicKey,
    sign: (message) => Promise.resolve(new Uint8Array(sign(hash, message, privateKey))),
  }
  return { signer, privateKey, jwk, kid, verificationKey: new VerificationKey(kid, jwk, algorithm) }
}
