import { errorsOf, type ErrorTable } from '#kernel/errors.ts'

export const TPM_ERRORS = {
  TPM_TRUNCATED: 'The TPM structure ends before its contents do.',
  TPM_TRAILING_BYTES: 'There are bytes after the end of the TPM structure.',
  TPM_TOO_LARGE: 'The TPM structure, or a part of it, is larger than is accepted.',
  TPM_VALUE_INVALID: 'A field of the TPM structure holds a value that its type does not have.',
  TPM_ALGORITHM_UNSUPPORTED: 'The TPM structure names an algorithm that is not accepted here.',
  TPM_HASH_WEAK: 'SHA-1 is not accepted, for names, banks or signatures. Use SHA-256 or SHA-384.',
  TPM_CURVE_UNSUPPORTED: 'Use a key on P-256 or P-384, or an RSA key.',
  TPM_KEY_INVALID: 'The public key of the TPM structure is not a valid key of its type and size.',
  TPM_NOT_GENERATED: 'The attestation does not begin with the mark that a TPM gives to what it has made itself.',
  TPM_ATTESTATION_UNSUPPORTED: 'The attestation is none of certify, quote and certify-creation.',
  TPM_PCR_SELECTION: 'A PCR selection names each bank once, and PCRs from 0 to 31.',
  TPM_CREDENTIAL_KEY: 'A credential is made for a storage key that encrypts with AES in CFB mode.',
  TPM_CREDENTIAL_SECRET: 'The secret of a credential has at most as many bytes as a digest of its key.',
} as const satisfies ErrorTable

export type TpmErrorCode = keyof typeof TPM_ERRORS

export const tpmError = errorsOf(TPM_ERRORS)
