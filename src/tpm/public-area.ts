import type { Bytes } from '#kernel/bytes.ts'
import type { TpmCurve, TpmHash } from './algorithms.ts'
import type { SigningScheme, Symmetric } from './schemes.ts'

interface PublicArea {
  /** What the object's Name is made with. */
  readonly nameAlg: TpmHash
  /** TPMA_OBJECT; see `hasAttributes`. */
  readonly attributes: number
  readonly authPolicy: Bytes
  readonly symmetric: Symmetric | null
  readonly scheme: SigningScheme | null
}

export interface TpmRsaPublic extends PublicArea {
  readonly type: 'rsa'
  readonly bits: number
  /** As marshalled: 0 stands for 65537. */
  readonly exponent: number
  readonly modulus: Bytes
}

export interface TpmEccPublic extends PublicArea {
  readonly type: 'ecc'
  readonly curve: TpmCurve
  /** As marshalled: some TPMs leave leading zeros out. */
  readonly x: Bytes
  readonly y: Bytes
}

/** A TPMT_PUBLIC with a key in it (TPM 2.0 Library, Part 2, 12.2.4). */
export type TpmPublic = TpmRsaPublic | TpmEccPublic
