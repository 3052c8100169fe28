import { toBase64 } from '#kernel/bytes.ts'
import { sized, uint32 } from '#tpm/index.ts'
import { der, derInteger } from './der.ts'
import type { KeyBlob } from './objects.ts'
import type { Parent } from './storage-root.ts'

/** 2.23.133.10.1.3, id-loadablekey. */
const LOADABLE_KEY = Uint8Array.of(0x67, 0x81, 0x05, 0x0a, 0x01, 0x03)
const TRUE = Uint8Array.of(0xff)

/**
 * `TSS2 PRIVATE KEY` (draft-bottomley-tpm2-keys), as the OpenSSL providers for TPMs read it: the blob and its parent.
 * It says where a key is and how to load it, and is of no use without that TPM.
 */
export function tss2Pem(parent: Parent, blob: KeyBlob): string {
  const body = der(
    0x30,
    der(0x06, LOADABLE_KEY),
    der(0xa0, der(0x01, TRUE)),
    derInteger(uint32(parent)),
    der(0x04, sized(blob.public)),
    der(0x04, sized(blob.private)),
  )
  const lines = toBase64(body).match(/.{1,64}/g) ?? []
  return ['-----BEGIN TSS2 PRIVATE KEY-----', ...lines, '-----END TSS2 PRIVATE KEY-----', ''].join('\n')
}
