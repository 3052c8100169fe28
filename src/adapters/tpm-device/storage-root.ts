import type { Bytes } from '#kernel/bytes.ts'
import { attributesOf, encodePublic, hasAttributes, parsePublic, TPM_HANDLE } from '#tpm/index.ts'
import { createPrimary, findPersistent, readPublic, withObject, type LoadedObject } from './objects.ts'
import type { Tpm } from './tpm.ts'

/** Where a storage root key usually is (TPM 2.0 Provisioning Guidance, 7.8). */
const USUAL_ROOT = 0x81000001

/** The parent of a key: a persistent storage key, or the owner hierarchy, which stands for the key of the template. */
export type Parent = number

/** The usual storage root key where the TPM has one, else the owner hierarchy. Nothing is written into the TPM. */
export async function usualParent(tpm: Tpm): Promise<Parent> {
  const found = await findPersistent(tpm, USUAL_ROOT)
  return found !== null && isStorageKey(found) ? USUAL_ROOT : TPM_HANDLE.owner
}

function isStorageKey({ public: area }: LoadedObject): boolean {
  return hasAttributes(parsePublic(area).attributes, 'restricted', 'decrypt', 'userWithAuth')
}

/** Runs `use` with the parent loaded. @throws TPM_HANDLE_UNKNOWN when it was persistent and is not any more */
export function withParent<Value>(
  tpm: Tpm,
  parent: Parent,
  use: (parent: LoadedObject) => Promise<Value>,
): Promise<Value> {
  const loading = parent === TPM_HANDLE.owner ? createPrimary(tpm, 'owner', storageTemplate()) : readPublic(tpm, parent)
  return withObject(tpm, loading, use)
}

const NOTHING = new Uint8Array()
const STORAGE = [
  'fixedTPM',
  'fixedParent',
  'sensitiveDataOrigin',
  'userWithAuth',
  'noDA',
  'restricted',
  'decrypt',
] as const

/**
 * The storage key that the owner hierarchy stands for in a `TSS2 PRIVATE KEY`: P-256, with an empty unique field
 * (draft-bottomley-tpm2-keys, 3.1.8), where the guidance has zeros.
 */
function storageTemplate(): Bytes {
  return encodePublic({
    type: 'ecc',
    nameAlg: 'sha256',
    attributes: attributesOf(...STORAGE),
    authPolicy: NOTHING,
    symmetric: { bits: 128 },
    scheme: null,
    curve: 'P-256',
    x: NOTHING,
    y: NOTHING,
  })
}
