import { concat, type Bytes } from '#kernel/bytes.ts'
import {
  digestOf,
  readSignature,
  sized,
  TPM_ALGORITHM,
  TPM_HANDLE,
  TPM_HASHES,
  TPM_TAG,
  uint16,
  uint32,
} from '#tpm/index.ts'
import { NO_PASSWORD } from './authorization.ts'
import { der, derInteger } from './der.ts'
import { tpmDeviceError } from './errors.ts'
import type { LoadedObject } from './objects.ts'
import type { Tpm } from './tpm.ts'

/** "This digest was not made by the TPM": fine for every key that is not restricted. */
const NO_TICKET = concat(uint16(TPM_TAG.hashCheck), uint32(TPM_HANDLE.null), sized(new Uint8Array()))
const SCHEME = concat(uint16(TPM_ALGORITHM.ecdsa), uint16(TPM_HASHES.sha256.id))

/** TPM2_Sign with a P-256 key: ES256, as DER ECDSA-Sig-Value. */
export function signEs256(tpm: Tpm, key: LoadedObject, message: Bytes): Promise<Bytes> {
  return tpm.execute(
    {
      name: 'sign',
      handles: [key],
      authorizations: [NO_PASSWORD],
      parameters: [sized(digestOf('sha256', message)), SCHEME, NO_TICKET],
    },
    ({ parameters }) => {
      const signature = readSignature(parameters)
      if (signature.scheme !== 'ecdsa') throw tpmDeviceError('TPM_ANSWER_INVALID', { message: 'no ECDSA signature' })
      return der(0x30, derInteger(signature.r), derInteger(signature.s))
    },
  )
}
