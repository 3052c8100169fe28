import { randomBytes } from 'node:crypto'
import pkcs11, { type Handle, type PKCS11, type Template } from 'pkcs11js'
import type { SignatureAlgorithm } from '#kernel/algorithms.ts'
import { fromHex, toHex } from '#kernel/bytes.ts'
import type { KeyFacts, KeyQuery } from '../protocol.ts'
import { Failure } from './failure.ts'
import { attribute, findObjects } from './module.ts'
import { CURVES, readPublicKey } from './public-key.ts'

const RSA_BITS = 3072
const ID_OCTETS = 16

/** The one private key that is meant. A token that is logged out shows none, and says nothing of it. */
export function findPrivateKey(module: PKCS11, session: Handle, query: KeyQuery): Handle {
  const found = findObjects(module, session, templateOf(pkcs11.CKO_PRIVATE_KEY, query), 2)
  const [key] = found
  if (key === undefined) throw new Failure('KEY_NOT_FOUND')
  if (found.length > 1) throw new Failure('KEY_AMBIGUOUS')
  return key
}

export function factsOf(module: PKCS11, session: Handle, key: Handle): KeyFacts {
  const octets = (type: number): Buffer | null => attribute(module, session, key, type)
  const flag = (type: number): boolean | null => {
    const value = octets(type)
    return value === null ? null : value[0] === 1
  }
  const id = octets(pkcs11.CKA_ID) ?? Buffer.alloc(0)
  const half = publicHalf(module, session, key, id)
  return {
    label: octets(pkcs11.CKA_LABEL)?.toString('utf8') ?? '',
    id: toHex(id),
    algorithm: half?.algorithm ?? null,
    publicKey: half?.publicKey ?? null,
    sensitive: flag(pkcs11.CKA_SENSITIVE),
    extractable: flag(pkcs11.CKA_EXTRACTABLE),
    alwaysSensitive: flag(pkcs11.CKA_ALWAYS_SENSITIVE),
    neverExtractable: flag(pkcs11.CKA_NEVER_EXTRACTABLE),
    local: flag(pkcs11.CKA_LOCAL),
  }
}

/** Makes a key that cannot leave the token. Nothing in PKCS#11 keeps names unique: who then sees two takes its own back. */
export function generateKey(
  module: PKCS11,
  session: Handle,
  order: { readonly name: string; readonly algorithm: SignatureAlgorithm },
): KeyFacts {
  const named = { object: order.name }
  if (countOf(module, session, named) > 0) throw new Failure('KEY_EXISTS')
  const id = randomBytes(ID_OCTETS)
  const kind = kindOf(order.algorithm)
  const { publicKey, privateKey } = module.C_GenerateKeyPair(
    session,
    { mechanism: kind.mechanism },
    [
      ...identityOf(pkcs11.CKO_PUBLIC_KEY, order.name, id),
      ...kind.parameters,
      { type: pkcs11.CKA_VERIFY, value: true },
    ],
    [
      ...identityOf(pkcs11.CKO_PRIVATE_KEY, order.name, id),
      { type: pkcs11.CKA_PRIVATE, value: true },
      { type: pkcs11.CKA_SENSITIVE, value: true },
      { type: pkcs11.CKA_EXTRACTABLE, value: false },
      { type: pkcs11.CKA_SIGN, value: true },
    ],
  )
  if (countOf(module, session, named) > 1) {
    module.C_DestroyObject(session, privateKey)
    module.C_DestroyObject(session, publicKey)
    throw new Failure('KEY_EXISTS')
  }
  return factsOf(module, session, privateKey)
}

function countOf(module: PKCS11, session: Handle, query: KeyQuery): number {
  return findObjects(module, session, templateOf(pkcs11.CKO_PRIVATE_KEY, query), 2).length
}

function publicHalf(module: PKCS11, session: Handle, key: Handle, id: Buffer): ReturnType<typeof readPublicKey> {
  // A private RSA key tells its modulus; the point of an EC key is with its public half.
  const own = readPublicKey(module, session, key)
  if (own !== null || id.length === 0) return own
  const found = findObjects(module, session, templateOf(pkcs11.CKO_PUBLIC_KEY, { id: toHex(id) }), 2)
  const [only] = found
  if (found.length > 1) throw new Failure('KEY_AMBIGUOUS')
  return only === undefined ? null : readPublicKey(module, session, only)
}

function templateOf(type: number, { object, id }: KeyQuery): Template {
  return [
    { type: pkcs11.CKA_CLASS, value: type },
    ...(object === undefined ? [] : [{ type: pkcs11.CKA_LABEL, value: object }]),
    ...(id === undefined ? [] : [{ type: pkcs11.CKA_ID, value: Buffer.from(fromHex(id)) }]),
  ]
}

function identityOf(type: number, name: string, id: Buffer): Template {
  return [
    { type: pkcs11.CKA_CLASS, value: type },
    { type: pkcs11.CKA_TOKEN, value: true },
    { type: pkcs11.CKA_LABEL, value: name },
    { type: pkcs11.CKA_ID, value: id },
  ]
}

function kindOf(algorithm: SignatureAlgorithm): { readonly mechanism: number; readonly parameters: Template } {
  const curve = CURVES.find((one) => one.algorithm === algorithm)
  if (curve !== undefined) {
    return {
      mechanism: pkcs11.CKM_EC_KEY_PAIR_GEN,
      parameters: [{ type: pkcs11.CKA_EC_PARAMS, value: Buffer.from(curve.parameters) }],
    }
  }
  return {
    mechanism: pkcs11.CKM_RSA_PKCS_KEY_PAIR_GEN,
    parameters: [
      { type: pkcs11.CKA_MODULUS_BITS, value: RSA_BITS },
      { type: pkcs11.CKA_PUBLIC_EXPONENT, value: Buffer.from([1, 0, 1]) },
    ],
  }
}
