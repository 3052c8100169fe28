import { constants, createCipheriv, createECDH, publicEncrypt } from 'node:crypto'
import { concat, utf8, type Bytes } from '#kernel/bytes.ts'
import type { Random } from '#kernel/random.ts'
import { TPM_CURVES, TPM_HASHES } from './algorithms.ts'
import { tpmError } from './errors.ts'
import { hmacOf, kdfa, kdfe } from './key-derivation.ts'
import { hasAnyAttribute, hasAttributes } from './object-attributes.ts'
import type { TpmEccPublic, TpmPublic, TpmRsaPublic } from './public-area.ts'
import { keyObjectOf, leftPad } from './public-key.ts'
import type { Symmetric } from './schemes.ts'
import { sized, uint8 } from './writer.ts'

/** What only the TPM that has both keys can open, with TPM2_ActivateCredential. */
export interface Credential {
  /** The contents of a TPM2B_ID_OBJECT. */
  readonly credentialBlob: Bytes
  /** The contents of a TPM2B_ENCRYPTED_SECRET. */
  readonly encryptedSecret: Bytes
}

const NOTHING = new Uint8Array(0)
const LABEL = 'IDENTITY'
const INITIAL_VECTOR = new Uint8Array(16)

/**
 * Encrypts `secret` to the endorsement key so that its TPM gives it out only for the object of this Name
 * (TPM 2.0 Library, Part 1, 24). Every hash is the endorsement key's own.
 * @throws TPM_CREDENTIAL_KEY, TPM_CREDENTIAL_SECRET
 */
export function makeCredential(key: TpmPublic, objectName: Bytes, secret: Bytes, random: Random): Credential {
  const { symmetric, nameAlg: hash, attributes } = key
  const isStorage = hasAttributes(attributes, 'restricted', 'decrypt') && !hasAnyAttribute(attributes, 'sign')
  if (symmetric === null || !isStorage) throw tpmError('TPM_CREDENTIAL_KEY')
  const length = TPM_HASHES[hash].digest
  if (secret.length === 0 || secret.length > length) throw tpmError('TPM_CREDENTIAL_SECRET')
  const { seed, encryptedSecret } = key.type === 'rsa' ? wrappedSeed(key, random) : exchangedSeed(key)
  const outer = { hash, key: seed, contextV: NOTHING }
  const symmetricKey = kdfa({ ...outer, label: 'STORAGE', contextU: objectName, bits: symmetric.bits })
  const identity = encrypt(symmetric, symmetricKey, sized(secret))
  const integrityKey = kdfa({ ...outer, label: 'INTEGRITY', contextU: NOTHING, bits: length * 8 })
  const integrity = hmacOf(hash, integrityKey, identity, objectName)
  return { credentialBlob: concat(sized(integrity), identity), encryptedSecret }
}

/** The initial vector is zero because each key is used once. */
function encrypt({ bits }: Symmetric, key: Bytes, plain: Bytes): Bytes {
  const cipher = createCipheriv(`aes-${bits === 128 ? '128' : '256'}-cfb`, key, INITIAL_VECTOR)
  return concat(new Uint8Array(cipher.update(plain)), new Uint8Array(cipher.final()))
}

interface SharedSeed {
  readonly seed: Bytes
  readonly encryptedSecret: Bytes
}

/** Part 1, B.10.4: OAEP, whose label ends in a NUL. */
function wrappedSeed(key: TpmRsaPublic, random: Random): SharedSeed {
  const seed = random.bytes(TPM_HASHES[key.nameAlg].digest)
  const encrypted = publicEncrypt(
    {
      key: keyObjectOf(key),
      padding: constants.RSA_PKCS1_OAEP_PADDING,
      oaepHash: key.nameAlg,
      oaepLabel: utf8(`${LABEL}\0`),
    },
    seed,
  )
  return { seed, encryptedSecret: new Uint8Array(encrypted) }
}

/** Part 1, C.6.4: one-pass ECDH with a key made for this once. */
function exchangedSeed(key: TpmEccPublic): SharedSeed {
  const { size, group } = TPM_CURVES[key.curve]
  const x = leftPad(key.x, size)
  const ephemeral = createECDH(group)
  const point = new Uint8Array(ephemeral.generateKeys())
  const secret = ephemeral.computeSecret(concat(uint8(4), x, leftPad(key.y, size)))
  const ownX = point.slice(1, 1 + size)
  const seed = kdfe({
    hash: key.nameAlg,
    z: leftPad(new Uint8Array(secret), size),
    label: LABEL,
    partyU: ownX,
    partyV: x,
    bits: TPM_HASHES[key.nameAlg].digest * 8,
  })
  return { seed, encryptedSecret: concat(sized(ownX), sized(point.slice(1 + size))) }
}
