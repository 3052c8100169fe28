import { equal, type Bytes } from '#kernel/bytes.ts'
import { hasAnyAttribute, hasAttributes, spkiOf, type TpmPublic } from '#tpm/index.ts'
import { attestationError } from '../errors.ts'
import type { TpmKeys } from './evidence.ts'

/** Made by this TPM, and never in clear outside of it or under another parent. */
const BORN_HERE = ['fixedTPM', 'fixedParent', 'sensitiveDataOrigin'] as const

/**
 * What the keys may do and may not, by their own public areas; whether these are true is for activation and certify
 * to show.
 * @throws TPM_EK_NOT_STORAGE_KEY, TPM_AK_DUPLICABLE, TPM_AK_NOT_RESTRICTED, TPM_KEY_DUPLICABLE, TPM_KEY_CANNOT_SIGN,
 * TPM_KEY_NOT_REQUESTED
 */
export function checkKeys({ ek, ak, key }: TpmKeys, requested: Bytes): void {
  checkEndorsementKey(ek)
  checkAttestationKey(ak)
  checkCertifiedKey(key)
  if (!equal(spkiOf(key), requested)) throw attestationError('TPM_KEY_NOT_REQUESTED')
}

function checkEndorsementKey({ attributes, symmetric }: TpmPublic): void {
  const isStorageKey =
    hasAttributes(attributes, ...BORN_HERE, 'restricted', 'decrypt') && !hasAnyAttribute(attributes, 'sign')
  if (!isStorageKey || symmetric === null) throw attestationError('TPM_EK_NOT_STORAGE_KEY')
}

/** Restricted: it signs nothing but what the TPM itself has made up, so what it signs about keys is true. */
export function checkAttestationKey({ attributes, scheme }: TpmPublic): void {
  if (!hasAttributes(attributes, ...BORN_HERE)) throw attestationError('TPM_AK_DUPLICABLE')
  const isRestricted = hasAttributes(attributes, 'restricted', 'sign') && !hasAnyAttribute(attributes, 'decrypt')
  if (!isRestricted || scheme === null) throw attestationError('TPM_AK_NOT_RESTRICTED')
}

/** A restricted key could not sign for TLS, and one that also decrypts could be used for both. */
export function checkCertifiedKey({ attributes }: TpmPublic): void {
  if (!hasAttributes(attributes, ...BORN_HERE)) throw attestationError('TPM_KEY_DUPLICABLE')
  const canSign = hasAttributes(attributes, 'sign') && !hasAnyAttribute(attributes, 'restricted', 'decrypt')
  if (!canSign) throw attestationError('TPM_KEY_CANNOT_SIGN')
}
