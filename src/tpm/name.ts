import { concat, type Bytes } from '#kernel/bytes.ts'
import { digestOf, TPM_HASHES } from './algorithms.ts'
import { encodePublic } from './marshal-public.ts'
import type { TpmPublic } from './public-area.ts'
import { uint16, uint32 } from './writer.ts'

/** The Name of an object: the hash of its public area, behind the hash's number (TPM 2.0 Library, Part 1, 16). */
export function nameOf(area: TpmPublic): Bytes {
  return concat(uint16(TPM_HASHES[area.nameAlg].id), digestOf(area.nameAlg, encodePublic(area)))
}

/** The qualified name of a hierarchy is its handle. */
export function hierarchyName(handle: number): Bytes {
  return uint32(handle)
}

/** The Qualified Name: what an object is, and under which parents (TPM 2.0 Library, Part 1, 26.5). */
export function qualifiedNameOf(area: TpmPublic, parentQualifiedName: Bytes): Bytes {
  const digest = digestOf(area.nameAlg, parentQualifiedName, nameOf(area))
  return concat(uint16(TPM_HASHES[area.nameAlg].id), digest)
}
