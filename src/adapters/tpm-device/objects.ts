import { concat, toHex, type Bytes } from '#kernel/bytes.ts'
import { isWritError } from '#kernel/errors.ts'
import { sized, TPM_HANDLE, uint32, type TpmReader } from '#tpm/index.ts'
import { NO_PASSWORD } from './authorization.ts'
import type { Handle, Tpm } from './tpm.ts'

/** A key that the TPM has at hand, under a handle. */
export interface LoadedObject extends Handle {
  /** TPMT_PUBLIC. */
  readonly public: Bytes
}

/** A key as files keep it: of no use but under its parent in its TPM. */
export interface KeyBlob {
  /** TPMT_PUBLIC. */
  readonly public: Bytes
  /** Contents of TPM2B_PRIVATE: encrypted by the TPM. */
  readonly private: Bytes
}

export type Hierarchy = 'owner' | 'endorsement'

/** No public area, private area or Name is larger than its limit in any TPM (TPM 2.0 Library, Part 2, 12). */
const PUBLIC_LIMIT = 1024
const PRIVATE_LIMIT = 2048
const NAME_LIMIT = 66
const NOTHING = new Uint8Array()
/** TPM2B_SENSITIVE_CREATE without password and without data: the TPM draws the key itself. */
const NO_SENSITIVE = sized(sized(NOTHING), sized(NOTHING))
/** No data for the creation's digest, and no PCRs in it. */
const NO_CREATION = concat(sized(NOTHING), uint32(0))

/** A handle that is its own Name: hierarchies, sessions and PCRs. */
export function fixedHandle(handle: number): Handle {
  return { handle, name: uint32(handle) }
}

/** TPM2_CreatePrimary: under one seed a template always makes the same key. The caller flushes it. */
export function createPrimary(tpm: Tpm, hierarchy: Hierarchy, template: Bytes): Promise<LoadedObject> {
  return tpm.execute(
    {
      name: 'createPrimary',
      handles: [fixedHandle(TPM_HANDLE[hierarchy])],
      authorizations: [NO_PASSWORD],
      parameters: [NO_SENSITIVE, sized(template), NO_CREATION],
    },
    ({ handle, parameters }) => {
      const area = parameters.sized(PUBLIC_LIMIT)
      skipCreation(parameters)
      return { handle, public: area, name: parameters.sized(NAME_LIMIT) }
    },
  )
}

/** creationData, creationHash and creationTicket, which nobody here asks for. */
function skipCreation(parameters: TpmReader): void {
  parameters.sized(PRIVATE_LIMIT)
  parameters.sized(NAME_LIMIT)
  parameters.uint16()
  parameters.uint32()
  parameters.sized(NAME_LIMIT)
}

/** TPM2_Create: a new key under `parent`, which is not loaded by this. */
export function createKey(tpm: Tpm, parent: Handle, template: Bytes): Promise<KeyBlob> {
  return tpm.execute(
    {
      name: 'create',
      handles: [parent],
      authorizations: [NO_PASSWORD],
      parameters: [NO_SENSITIVE, sized(template), NO_CREATION],
    },
    ({ parameters }) => {
      const blob = { private: parameters.sized(PRIVATE_LIMIT), public: parameters.sized(PUBLIC_LIMIT) }
      skipCreation(parameters)
      return blob
    },
  )
}

/** TPM2_Load. The caller flushes it. @throws TPM_BLOB_FOREIGN for a key of another TPM or parent */
export function loadKey(tpm: Tpm, parent: Handle, blob: KeyBlob): Promise<LoadedObject> {
  return tpm.execute(
    {
      name: 'load',
      handles: [parent],
      authorizations: [NO_PASSWORD],
      parameters: [sized(blob.private), sized(blob.public)],
    },
    ({ handle, parameters }) => ({ handle, public: blob.public, name: parameters.sized(NAME_LIMIT) }),
  )
}

/** TPM2_ReadPublic of a persistent or loaded object. @throws TPM_HANDLE_UNKNOWN */
export function readPublic(tpm: Tpm, handle: number): Promise<LoadedObject> {
  return tpm.execute({ name: 'readPublic', handles: [fixedHandle(handle)] }, ({ parameters }) => {
    const area = parameters.sized(PUBLIC_LIMIT)
    const name = parameters.sized(NAME_LIMIT)
    parameters.sized(NAME_LIMIT)
    return { handle, public: area, name }
  })
}

/** The persistent object under a handle; null when there is none. */
export async function findPersistent(tpm: Tpm, handle: number): Promise<LoadedObject | null> {
  try {
    return await readPublic(tpm, handle)
  } catch (error) {
    if (isWritError(error, 'TPM_HANDLE_UNKNOWN')) return null
    throw error
  }
}

/** TPM2_EvictControl: keeps a loaded object under `persistent`, or, given that handle, removes it. */
export function evictControl(tpm: Tpm, object: Handle, persistent: number): Promise<void> {
  return tpm.execute(
    {
      name: 'evictControl',
      handles: [fixedHandle(TPM_HANDLE.owner), object],
      authorizations: [NO_PASSWORD],
      parameters: [uint32(persistent)],
    },
    () => undefined,
  )
}

/**
 * TPM2_FlushContext. It fails only for what is gone already, with its session's command or its connection, so it says
 * nothing, and never hides the failure that led here.
 */
export async function flush(tpm: Tpm, handle: number): Promise<void> {
  try {
    await tpm.execute({ name: 'flushContext', parameters: [uint32(handle)] }, () => undefined)
  } catch {
    return
  }
}

/** Loads, uses, and flushes, also when the use fails. */
export async function withObject<Value>(
  tpm: Tpm,
  loading: Promise<LoadedObject>,
  use: (object: LoadedObject) => Promise<Value>,
): Promise<Value> {
  const object = await loading
  try {
    return await use(object)
  } finally {
    if (isTransient(object.handle)) await flush(tpm, object.handle)
  }
}

/** The first byte of a handle is its kind: 0x80 for what is loaded, 0x81 for what stays. */
export function isTransient(handle: number): boolean {
  return handle >>> 24 === 0x80
}

const HANDLES = 0x00000001
const MOST_HANDLES = 254

/** TPM2_GetCapability: the handles of one kind, from `first` on. */
export function listHandles(tpm: Tpm, first: number): Promise<readonly number[]> {
  return tpm.execute(
    { name: 'getCapability', parameters: [uint32(HANDLES), uint32(first), uint32(MOST_HANDLES)] },
    ({ parameters }) => {
      parameters.yesNo()
      parameters.uint32()
      return Array.from({ length: Math.min(parameters.uint32(), MOST_HANDLES) }, () => parameters.uint32())
    },
  )
}

/** For messages: `0x81000001`. */
export function handleText(handle: number): string {
  return `0x${toHex(uint32(handle))}`
}
