import { fromHex, type Bytes } from '#kernel/bytes.ts'
import { TPM_CURVES, type TpmCurve, type TpmHash } from './algorithms.ts'
import { attributesOf } from './object-attributes.ts'
import { encodePublic } from './marshal-public.ts'
import type { TpmEccPublic, TpmRsaPublic } from './public-area.ts'

/** PolicySecret(endorsement hierarchy), SHA-256: the policy of EKs in the low range (EK Credential Profile, B.3). */
export const EK_POLICY_SHA256 = fromHex('837197674484b3f81a90cc8d46a5d724fd52d76e06520b64f2a1da1b331469aa')

/** PolicyB for SHA-384, of EKs in the high range (EK Credential Profile, B.4). */
export const EK_POLICY_SHA384 = fromHex(
  'b26e7d28d11a50bc53d882bcf5fd3a1a074148bb35d3b4e4cb1c0ad9bde419cacb47ba09699646150f9fc000f3f80e12',
)

/** The endorsement keys that can be made again from their templates: L-1, L-2, and P-384 of the high range (H-3). */
export type EkKind = 'rsa-2048' | 'p-256' | 'p-384'
export type SigningKind = 'rsa-2048' | 'p-256' | 'p-384'

const NOTHING = new Uint8Array(0)
const BORN_HERE = ['fixedTPM', 'fixedParent', 'sensitiveDataOrigin'] as const

interface Shape {
  readonly nameAlg: TpmHash
  readonly attributes: number
  readonly authPolicy: Bytes
  readonly symmetric: TpmRsaPublic['symmetric']
  readonly scheme: TpmRsaPublic['scheme']
}

function rsa(shape: Shape, modulus: Bytes = NOTHING): TpmRsaPublic {
  return { type: 'rsa', ...shape, bits: 2048, exponent: 0, modulus }
}

function ecc(shape: Shape, curve: TpmCurve, unique: Bytes = NOTHING): TpmEccPublic {
  return { type: 'ecc', ...shape, curve, x: unique, y: unique }
}

const LOW_EK: Shape = {
  nameAlg: 'sha256',
  attributes: attributesOf(...BORN_HERE, 'adminWithPolicy', 'restricted', 'decrypt'),
  authPolicy: EK_POLICY_SHA256,
  symmetric: { bits: 128 },
  scheme: null,
}

const HIGH_EK: Shape = {
  nameAlg: 'sha384',
  attributes: attributesOf(...BORN_HERE, 'userWithAuth', 'adminWithPolicy', 'restricted', 'decrypt'),
  authPolicy: EK_POLICY_SHA384,
  symmetric: { bits: 256 },
  scheme: null,
}

/** TPMT_PUBLIC of an endorsement key: under an unchanged seed the TPM makes the same key from it each time. */
export function ekTemplate(kind: EkKind): Bytes {
  if (kind === 'rsa-2048') return encodePublic(rsa(LOW_EK, new Uint8Array(256)))
  return encodePublic(kind === 'p-256' ? ecc(LOW_EK, 'P-256', new Uint8Array(32)) : ecc(HIGH_EK, 'P-384'))
}

/** TPMT_PUBLIC of a storage root key on P-256 (TPM 2.0 Provisioning Guidance, 7.5.1): the parent of our own keys. */
export function srkTemplate(): Bytes {
  const shape: Shape = {
    nameAlg: 'sha256',
    attributes: attributesOf(...BORN_HERE, 'userWithAuth', 'noDA', 'restricted', 'decrypt'),
    authPolicy: NOTHING,
    symmetric: { bits: 128 },
    scheme: null,
  }
  return encodePublic(ecc(shape, 'P-256', new Uint8Array(TPM_CURVES['P-256'].size)))
}

/** TPMT_PUBLIC of an attestation key. noDA: whoever guesses somebody else's PIN must not be able to stop it. */
export function akTemplate(kind: SigningKind): Bytes {
  return signer(kind, true)
}

/**
 * TPMT_PUBLIC of the key of an SVID: it signs what it is given and never leaves. It is bound to no scheme, because
 * TLS chooses the hash.
 */
export function signingKeyTemplate(kind: SigningKind): Bytes {
  return signer(kind, false)
}

const CURVE_OF = { 'p-256': 'P-256', 'p-384': 'P-384' } as const

function signer(kind: SigningKind, isRestricted: boolean): Bytes {
  const hash: TpmHash = kind === 'p-384' ? 'sha384' : 'sha256'
  const attributes = attributesOf(...BORN_HERE, 'userWithAuth', 'noDA', 'sign')
  const name = kind === 'rsa-2048' ? 'rsassa' : 'ecdsa'
  const shape: Shape = {
    nameAlg: hash,
    attributes: isRestricted ? attributes | attributesOf('restricted') : attributes,
    authPolicy: NOTHING,
    symmetric: null,
    scheme: isRestricted ? { name, hash } : null,
  }
  return encodePublic(kind === 'rsa-2048' ? rsa(shape) : ecc(shape, CURVE_OF[kind]))
}
