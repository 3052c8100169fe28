import { fromBase64, fromHex, toBase64, type Bytes } from '#kernel/bytes.ts'
import type { JsonObject } from '#kernel/json.ts'
import { hasAttributes, parsePublic, spkiOf, TPM_HANDLE } from '#tpm/index.ts'
import { parseTpmAddress } from './address.ts'
import { tpmDeviceError } from './errors.ts'
import { handleText, type KeyBlob } from './objects.ts'
import type { Parent } from './storage-root.ts'

/** A key in a TPM as its file says it. */
export interface StoredKey extends KeyBlob {
  /** As `parseTpmAddress` takes it. */
  readonly address: string
  readonly parent: Parent
}

export function describeKey({ address, parent, ...blob }: StoredKey): JsonObject {
  return {
    type: 'tpm',
    address,
    parent: handleText(parent),
    public_key: toBase64(spkiOf(parsePublic(blob.public))),
    public: toBase64(blob.public),
    private: toBase64(blob.private),
  }
}

/** @throws TPM_KEY_FILE_INVALID, TPM_KEY_UNSUITABLE unless it is a P-256 key that signs what it is given */
export function parseStoredKey(description: JsonObject): StoredKey {
  const stored = readStoredKey(description)
  const area = parsePublic(stored.public)
  const isOurs = area.type === 'ecc' && area.curve === 'P-256' && area.scheme === null
  if (!isOurs || !hasAttributes(area.attributes, 'sign')) throw tpmDeviceError('TPM_KEY_UNSUITABLE')
  return stored
}

function readStoredKey(description: JsonObject): StoredKey {
  const field = (name: string): string => {
    const value = description[name]
    return typeof value === 'string' ? value : ''
  }
  try {
    const address = field('address')
    parseTpmAddress(address)
    const area = fromBase64(field('public'))
    parsePublic(area)
    return { address, parent: parentOf(field('parent')), public: area, private: fromBase64(field('private')) }
  } catch (cause) {
    throw tpmDeviceError('TPM_KEY_FILE_INVALID', { cause })
  }
}

/** `0x40000001`, the owner hierarchy, or a persistent handle. */
function parentOf(text: string): Parent {
  const bytes: Bytes = /^0x[0-9a-f]{8}$/.test(text) ? fromHex(text.slice(2)) : new Uint8Array(4)
  const handle = bytes.reduce((value, byte) => value * 256 + byte, 0)
  if (handle !== TPM_HANDLE.owner && handle >>> 24 !== 0x81) throw tpmDeviceError('TPM_KEY_FILE_INVALID')
  return handle
}
