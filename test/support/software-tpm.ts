import {
  constants,
  createDecipheriv,
  createPrivateKey,
  diffieHellman,
  createPublicKey,
  generateKeyPairSync,
  privateDecrypt,
  sign,
  type KeyObject,
} from 'node:crypto'
import { concat, equal, fromBase64Url, utf8, type Bytes } from '#kernel/bytes.ts'
import {
  attributesOf,
  digestOf,
  EK_POLICY_SHA256,
  EK_POLICY_SHA384,
  encodePcrSelections,
  hierarchyName,
  hmacOf,
  kdfa,
  kdfe,
  nameOf,
  pcrDigestOf,
  qualifiedNameOf,
  readWhole,
  sized,
  spkiOf,
  TPM_ALGORITHM,
  TPM_CURVES,
  TPM_HANDLE,
  TPM_HASHES,
  uint16,
  uint32,
  uint64,
  uint8,
  type Credential,
  type EkKind,
  type PcrSelection,
  type TpmPublic,
} from '#tpm/index.ts'

/** An object of the TPM with the half that a TPM would keep to itself. */
export interface SoftwareObject {
  readonly area: TpmPublic
  readonly privateKey: KeyObject
}

type AreaChanges = Partial<Pick<TpmPublic, 'nameAlg' | 'attributes' | 'authPolicy' | 'symmetric' | 'scheme'>>

const NONE = new Uint8Array(0)
const FIXED = ['fixedTPM', 'fixedParent', 'sensitiveDataOrigin'] as const
export const EK_ATTRIBUTES = attributesOf(...FIXED, 'adminWithPolicy', 'restricted', 'decrypt')
export const AK_ATTRIBUTES = attributesOf(...FIXED, 'userWithAuth', 'noDA', 'restricted', 'sign')
export const KEY_ATTRIBUTES = attributesOf(...FIXED, 'userWithAuth', 'noDA', 'sign')

const CURVES = { 'p-256': 'P-256', 'p-384': 'P-384' } as const

export function newPrivateKey(kind: EkKind): KeyObject {
  if (kind === 'rsa-2048') return generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
  return generateKeyPairSync('ec', { namedCurve: CURVES[kind] }).privateKey
}

function areaOf(privateKey: KeyObject, common: Required<AreaChanges>): TpmPublic {
  const jwk = createPublicKey(privateKey).export({ format: 'jwk' })
  if (jwk.kty === 'RSA') {
    const modulus = fromBase64Url(jwk.n ?? '')
    return { type: 'rsa', ...common, bits: modulus.length * 8, exponent: 0, modulus }
  }
  const curve = jwk.crv === 'P-384' ? 'P-384' : 'P-256'
  return { type: 'ecc', ...common, curve, x: fromBase64Url(jwk.x ?? ''), y: fromBase64Url(jwk.y ?? '') }
}

export function newEk(
  kind: EkKind = 'p-256',
  changes: AreaChanges = {},
  privateKey = newPrivateKey(kind),
): SoftwareObject {
  const low = {
    nameAlg: 'sha256',
    attributes: EK_ATTRIBUTES,
    authPolicy: EK_POLICY_SHA256,
    symmetric: { bits: 128 },
  } as const
  const high = {
    nameAlg: 'sha384',
    attributes: EK_ATTRIBUTES | attributesOf('userWithAuth'),
    authPolicy: EK_POLICY_SHA384,
    symmetric: { bits: 256 },
  } as const
  return { privateKey, area: areaOf(privateKey, { ...(kind === 'p-384' ? high : low), scheme: null, ...changes }) }
}

export function newAk(
  kind: EkKind = 'p-256',
  changes: AreaChanges = {},
  privateKey = newPrivateKey(kind),
): SoftwareObject {
  const scheme = {
    name: kind === 'rsa-2048' ? 'rsassa' : 'ecdsa',
    hash: kind === 'p-384' ? 'sha384' : 'sha256',
  } as const
  const common = { nameAlg: scheme.hash, attributes: AK_ATTRIBUTES, authPolicy: NONE, symmetric: null, scheme }
  return { privateKey, area: areaOf(privateKey, { ...common, ...changes }) }
}

/** The public area of a key that is to sign for an SVID. */
export function keyArea(privateKey: KeyObject, changes: AreaChanges = {}): TpmPublic {
  const common = {
    nameAlg: 'sha256',
    attributes: KEY_ATTRIBUTES,
    authPolicy: NONE,
    symmetric: null,
    scheme: null,
  } as const
  return areaOf(privateKey, { ...common, ...changes })
}

/** What TPM2_ActivateCredential does; throws for a credential that is of another key or another object. */
export function activate(
  ek: SoftwareObject,
  objectName: Bytes,
  { credentialBlob, encryptedSecret }: Credential,
): Bytes {
  const { nameAlg: hash, symmetric } = ek.area
  const seed = seedOf(ek, encryptedSecret)
  const { integrity, identity } = readWhole(credentialBlob, (reader) => ({
    integrity: reader.sized(64),
    identity: reader.rest(),
  }))
  const bits = TPM_HASHES[hash].digest * 8
  const integrityKey = kdfa({ hash, key: seed, label: 'INTEGRITY', contextU: NONE, contextV: NONE, bits })
  if (!equal(hmacOf(hash, integrityKey, identity, objectName), integrity)) throw new RangeError('TPM_RC_INTEGRITY')
  const key = kdfa({ hash, key: seed, label: 'STORAGE', contextU: objectName, contextV: NONE, bits: symmetric!.bits })
  const cipher = createDecipheriv(`aes-${String(symmetric!.bits)}-cfb`, key, new Uint8Array(16))
  const plain = concat(new Uint8Array(cipher.update(identity)), new Uint8Array(cipher.final()))
  return readWhole(plain, (reader) => reader.sized(64))
}

function seedOf({ area, privateKey }: SoftwareObject, encrypted: Bytes): Bytes {
  const oaepLabel = utf8('IDENTITY\0')
  if (area.type === 'rsa') {
    const padding = constants.RSA_PKCS1_OAEP_PADDING
    return new Uint8Array(privateDecrypt({ key: privateKey, padding, oaepHash: area.nameAlg, oaepLabel }, encrypted))
  }
  const { x, y } = readWhole(encrypted, (reader) => ({ x: reader.sized(48), y: reader.sized(48) }))
  const coordinates = { x: Buffer.from(x).toString('base64url'), y: Buffer.from(y).toString('base64url') }
  const publicKey = createPublicKey({ key: { kty: 'EC', crv: area.curve, ...coordinates }, format: 'jwk' })
  const z = new Uint8Array(
    diffieHellman({ privateKey: createPrivateKey(privateKey.export({ format: 'pem', type: 'pkcs8' })), publicKey }),
  )
  const bits = TPM_HASHES[area.nameAlg].digest * 8
  if (x.length !== TPM_CURVES[area.curve].size) throw new RangeError('a coordinate that is not padded')
  return kdfe({ hash: area.nameAlg, z, label: 'IDENTITY', partyU: x, partyV: area.x, bits })
}

/** What a TPM writes at the head of an attestation; every part of it may be got wrong. */
export interface AttestHead {
  readonly extraData: Bytes
  readonly qualifiedSigner?: Bytes
  readonly firmware?: bigint
  readonly magic?: number
}

export const FIRMWARE = 0x2019_1023_0016_3636n

function head(
  type: number,
  { extraData, qualifiedSigner = NONE, firmware = FIRMWARE, magic = 0xff544347 }: AttestHead,
): Bytes {
  const clock = [uint64(5n), uint32(1), uint32(2), uint8(1)]
  return concat(uint32(magic), uint16(type), sized(qualifiedSigner), sized(extraData), ...clock, uint64(firmware))
}

export interface Signed {
  readonly attest: Bytes
  readonly signature: Bytes
}

/** Signs as a key with a scheme does; `hash` other than the scheme's makes a signature that must be refused. */
export function signAttest(
  { area, privateKey }: SoftwareObject,
  attest: Bytes,
  hash = area.scheme?.hash ?? 'sha256',
): Signed {
  if (area.type === 'rsa') {
    const signature = new Uint8Array(sign(hash, attest, privateKey))
    return { attest, signature: concat(uint16(TPM_ALGORITHM.rsassa), uint16(TPM_HASHES[hash].id), sized(signature)) }
  }
  const pair = new Uint8Array(sign(hash, attest, { key: privateKey, dsaEncoding: 'ieee-p1363' }))
  const half = pair.length / 2
  const parts = [sized(pair.slice(0, half)), sized(pair.slice(half))]
  return { attest, signature: concat(uint16(TPM_ALGORITHM.ecdsa), uint16(TPM_HASHES[hash].id), ...parts) }
}

export function certifyWith(ak: SoftwareObject, key: TpmPublic, given: AttestHead): Signed {
  return signAttest(ak, concat(head(0x8017, given), sized(nameOf(key)), sized(NONE)))
}

/** `digests` are those of the selected PCRs, in their order. */
export function quoteWith(
  ak: SoftwareObject,
  selections: readonly PcrSelection[],
  digests: readonly Bytes[],
  given: AttestHead,
): Signed {
  const digest = pcrDigestOf(ak.area.scheme?.hash ?? 'sha256', digests)
  return signAttest(ak, concat(head(0x8018, given), encodePcrSelections(selections), sized(digest)))
}

/** The Qualified Name of an attestation key under an endorsement key. */
export function endorsedName(ek: SoftwareObject, ak: SoftwareObject): Bytes {
  return qualifiedNameOf(ak.area, qualifiedNameOf(ek.area, hierarchyName(TPM_HANDLE.endorsement)))
}

export function ekHashOf({ area }: SoftwareObject): string {
  return Buffer.from(digestOf('sha256', spkiOf(area))).toString('hex')
}
