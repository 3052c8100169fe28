import { constants, createCipheriv, createDecipheriv, createECDH, publicEncrypt } from 'node:crypto'
import { concat, equal, utf8, type Bytes } from '#kernel/bytes.ts'
import type { Random } from '#kernel/random.ts'
import {
  digestOf,
  hmacOf,
  kdfa,
  kdfe,
  keyObjectOf,
  parsePublic,
  sized,
  TPM_CURVES,
  TPM_HANDLE,
  TPM_HASHES,
  uint16,
  uint32,
  uint8,
  type TpmEccPublic,
  type TpmHash,
  type TpmPublic,
} from '#tpm/index.ts'
import type { Authorization, AuthorizationResponse, Authorized, ParameterProtection } from './authorization.ts'
import { tpmDeviceError } from './errors.ts'
import type { LoadedObject } from './objects.ts'
import { flush } from './objects.ts'
import type { Tpm } from './tpm.ts'

const HASH: TpmHash = 'sha256'
const NONCE_BYTES = 32
const LABEL = 'SECRET'
const HMAC_SESSION = 0
const AES = 0x0006
const CFB = 0x0043

/** TPMA_SESSION: the TPM encrypts the first parameter of the response, and decrypts that of the command. */
const ENCRYPT = 0x40
const DECRYPT = 0x20
const CONTINUE = 0x01

/**
 * Runs `use` with a session that hides the first parameters of command and response from whoever listens on the way
 * to the TPM: salted to a storage key of the TPM, so that only it can know the session's key (TPM 2.0 Library, Part 1,
 * 19.6.10 and 21). Every response must carry the proof of that key.
 * @throws TPM_ANSWER_FORGED from the commands that use it
 */
export async function withProtectedSession<Value>(
  tpm: Tpm,
  storageKey: LoadedObject,
  use: (session: Authorization) => Promise<Value>,
): Promise<Value> {
  const area = parsePublic(storageKey.public)
  const bits = area.symmetric?.bits ?? 128
  const { salt, encrypted } = area.type === 'rsa' ? rsaSalt(area, tpm.random) : eccSalt(area)
  const nonceCaller = tpm.random.bytes(NONCE_BYTES)
  const started = await tpm.execute(
    {
      name: 'startAuthSession',
      handles: [storageKey, { handle: TPM_HANDLE.null, name: uint32(TPM_HANDLE.null) }],
      parameters: [
        sized(nonceCaller),
        sized(encrypted),
        uint8(HMAC_SESSION),
        concat(uint16(AES), uint16(bits), uint16(CFB)),
        uint16(TPM_HASHES[HASH].id),
      ],
    },
    ({ handle, parameters }) => ({ handle, nonceTpm: parameters.sized(NONCE_BYTES) }),
  )
  const length = TPM_HASHES[HASH].digest * 8
  const contexts = { contextU: started.nonceTpm, contextV: nonceCaller }
  const key = kdfa({ hash: HASH, key: salt, label: 'ATH', ...contexts, bits: length })
  try {
    return await use(new ProtectedSession({ ...started, key, bits, random: tpm.random }))
  } finally {
    await flush(tpm, started.handle)
  }
}

interface Salt {
  readonly salt: Bytes
  /** Contents of TPM2B_ENCRYPTED_SECRET. */
  readonly encrypted: Bytes
}

function rsaSalt(area: TpmPublic, random: Random): Salt {
  const salt = random.bytes(TPM_HASHES[area.nameAlg].digest)
  const encrypted = publicEncrypt(
    {
      key: keyObjectOf(area),
      padding: constants.RSA_PKCS1_OAEP_PADDING,
      oaepHash: area.nameAlg,
      oaepLabel: Buffer.from(utf8(`${LABEL}\0`)),
    },
    salt,
  )
  return { salt, encrypted: new Uint8Array(encrypted) }
}

function eccSalt(area: TpmEccPublic): Salt {
  const { size, group } = TPM_CURVES[area.curve]
  const ephemeral = createECDH(group)
  const own = new Uint8Array(ephemeral.generateKeys())
  const [x, y] = [own.slice(1, 1 + size), own.slice(1 + size)]
  const [theirX, theirY] = [padded(area.x, size), padded(area.y, size)]
  const z = new Uint8Array(ephemeral.computeSecret(concat(uint8(4), theirX, theirY)))
  const bits = TPM_HASHES[area.nameAlg].digest * 8
  const salt = kdfe({ hash: area.nameAlg, z, label: LABEL, partyU: x, partyV: theirX, bits })
  return { salt, encrypted: concat(sized(x), sized(y)) }
}

function padded(bytes: Bytes, size: number): Bytes {
  return concat(new Uint8Array(Math.max(0, size - bytes.length)), bytes)
}

interface SessionParts {
  readonly handle: number
  readonly key: Bytes
  readonly bits: 128 | 256
  readonly nonceTpm: Bytes
  readonly random: Random
}

class ProtectedSession implements Authorization {
  readonly #parts: SessionParts
  #nonceTpm: Bytes
  #nonceCaller: Bytes = new Uint8Array()

  constructor(parts: SessionParts) {
    this.#parts = parts
    this.#nonceTpm = parts.nonceTpm
  }

  readonly protection: ParameterProtection = {
    encrypt: (parameter) => {
      this.#nonceCaller = this.#parts.random.bytes(NONCE_BYTES)
      return this.#transform(parameter, 'encrypt')
    },
    decrypt: (parameter) => this.#transform(parameter, 'decrypt'),
  }

  command({ code, names, parameters }: Authorized): Bytes {
    const attributes = uint8(CONTINUE | ENCRYPT | DECRYPT)
    const digest = digestOf(HASH, uint32(code), ...names, parameters)
    const hmac = hmacOf(HASH, this.#parts.key, digest, this.#nonceCaller, this.#nonceTpm, attributes)
    return concat(uint32(this.#parts.handle), sized(this.#nonceCaller), attributes, sized(hmac))
  }

  check({ nonce, attributes, hmac }: AuthorizationResponse, answered: Omit<Authorized, 'names'>): void {
    const digest = digestOf(HASH, uint32(0), uint32(answered.code), answered.parameters)
    const expected = hmacOf(HASH, this.#parts.key, digest, nonce, this.#nonceCaller, uint8(attributes))
    if (!equal(expected, hmac) || (attributes & ENCRYPT) === 0) throw tpmDeviceError('TPM_ANSWER_FORGED')
    this.#nonceTpm = nonce
  }

  /** AES-CFB over the contents of the first TPM2B; the newer nonce comes first in the derivation. */
  #transform(parameters: Bytes, way: 'encrypt' | 'decrypt'): Bytes {
    const { key, bits } = this.#parts
    const [contextU, contextV] =
      way === 'encrypt' ? [this.#nonceCaller, this.#nonceTpm] : [this.#nonceTpm, this.#nonceCaller]
    const derived = kdfa({ hash: HASH, key, label: 'CFB', contextU, contextV, bits: bits + 128 })
    const [secret, iv] = [derived.subarray(0, bits / 8), derived.subarray(bits / 8)]
    const make = way === 'encrypt' ? createCipheriv : createDecipheriv
    const cipher = make(`aes-${String(bits)}-cfb`, secret, iv)
    const size = ((parameters[0] ?? 0) << 8) | (parameters[1] ?? 0)
    const end = 2 + size
    if (end > parameters.length) throw tpmDeviceError('TPM_ANSWER_INVALID', { message: 'no TPM2B to decrypt' })
    const contents = new Uint8Array(cipher.update(parameters.subarray(2, end)))
    return concat(parameters.subarray(0, 2), contents, parameters.subarray(end))
  }
}
