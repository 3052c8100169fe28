import { concat, type Bytes } from '#kernel/bytes.ts'
import { isWritError } from '#kernel/errors.ts'
import { ekTemplate, parsePublic, uint16, type EkKind } from '#tpm/index.ts'
import { NO_PASSWORD } from './authorization.ts'
import { tpmDeviceError } from './errors.ts'
import { createPrimary, findPersistent, fixedHandle, flush, type LoadedObject } from './objects.ts'
import type { Handle, Tpm } from './tpm.ts'

export interface EndorsementKind {
  readonly kind: EkKind
  /** NV index of its certificate (EK Credential Profile 2.5, 2.2.1.4 and 2.2.1.5). */
  readonly certificate: number
  /** Where it may have been made persistent. */
  readonly persistent: readonly number[]
}

/** In the order in which they are looked for. */
export const ENDORSEMENT_KINDS: readonly EndorsementKind[] = [
  { kind: 'rsa-2048', certificate: 0x01c00002, persistent: [0x81010001] },
  { kind: 'p-256', certificate: 0x01c0000a, persistent: [0x81010002] },
  { kind: 'p-384', certificate: 0x01c00016, persistent: [0x81010016] },
]

/** Smaller than what every TPM gives at once. */
const NV_CHUNK = 512
const LARGEST_CERTIFICATE = 8192
const NAME_LIMIT = 66

/** TPM2_NV_ReadPublic and TPM2_NV_Read: the whole of an index that may be read without a password. */
export async function readNv(tpm: Tpm, index: number): Promise<Bytes> {
  const { size, name } = await readNvPublic(tpm, index)
  if (size > LARGEST_CERTIFICATE) throw tpmDeviceError('TPM_ANSWER_INVALID', { details: { size } })
  const area: Handle = { handle: index, name }
  const parts: Bytes[] = []
  for (let offset = 0; offset < size; offset += NV_CHUNK) {
    const length = Math.min(NV_CHUNK, size - offset)
    const command = {
      name: 'nvRead' as const,
      handles: [area, area],
      authorizations: [NO_PASSWORD],
      parameters: [uint16(length), uint16(offset)],
    }
    const part = await tpm.execute(command, ({ parameters }) => parameters.sized(NV_CHUNK))
    if (part.length !== length) throw tpmDeviceError('TPM_ANSWER_INVALID', { details: { length: part.length } })
    parts.push(part)
  }
  return concat(...parts)
}

function readNvPublic(tpm: Tpm, index: number): Promise<{ readonly size: number; readonly name: Bytes }> {
  return tpm.execute({ name: 'nvReadPublic', handles: [fixedHandle(index)] }, ({ parameters }) => {
    parameters.uint16()
    parameters.uint32()
    parameters.uint16()
    parameters.uint32()
    parameters.sized(NAME_LIMIT)
    return { size: parameters.uint16(), name: parameters.sized(NAME_LIMIT) }
  })
}

/** An EK certificate from NV, DER without the padding behind it; null when the TPM has none of that kind. */
export async function readEkCertificate(tpm: Tpm, { certificate }: EndorsementKind): Promise<Bytes | null> {
  try {
    return trimDer(await readNv(tpm, certificate))
  } catch (error) {
    if (isWritError(error, 'TPM_HANDLE_UNKNOWN')) return null
    throw error
  }
}

/** The SEQUENCE at the front. @throws TPM_ANSWER_INVALID when there is none */
export function trimDer(bytes: Bytes): Bytes {
  const [tag, first = 0, second = 0, third = 0] = bytes
  const length = first === 0x82 ? 4 + second * 256 + third : 3 + second
  const isSequence = tag === 0x30 && (first === 0x81 || first === 0x82) && length <= bytes.length
  if (!isSequence) throw tpmDeviceError('TPM_ANSWER_INVALID', { message: 'no certificate in the NV index' })
  return bytes.slice(0, length)
}

/**
 * The endorsement key of a kind: the persistent one where there is one, else made again from its template; null when
 * neither is `wanted`. The caller flushes it when it is transient.
 * @throws TPM_AUTHORIZATION_FAILED when the endorsement hierarchy has a password
 */
export async function findEndorsementKey(
  tpm: Tpm,
  { kind, persistent }: EndorsementKind,
  wanted: (area: Bytes) => boolean,
): Promise<LoadedObject | null> {
  for (const handle of persistent) {
    const found = await findPersistent(tpm, handle)
    if (found !== null && wanted(found.public)) return found
  }
  const made = await createPrimary(tpm, 'endorsement', ekTemplate(kind))
  if (wanted(made.public)) return made
  await flush(tpm, made.handle)
  return null
}

/**
 * Whether a certificate holds a key, by its number or point: EK certificates are odd at times, and whether this one is
 * to be believed is the server's to say.
 */
export function isKeyIn(certificate: Bytes, area: Bytes): boolean {
  const key = parsePublic(area)
  const number = key.type === 'rsa' ? key.modulus : concat(key.x, key.y)
  return Buffer.from(certificate).includes(Buffer.from(number))
}
