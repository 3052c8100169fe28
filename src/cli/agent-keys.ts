import { join } from 'node:path'
import type { Pkcs11Keys } from '#adapters/keys/pkcs11/index.ts'
import { SystemRandom } from '#adapters/system/index.ts'
import type { TpmAgentKey } from '#adapters/tpm-device/index.ts'
import { readIdentity, withProviderTls, type HardwareKey, type Identity } from '#client/index.ts'
import { fromBase64, toBase64, toHex, type Bytes } from '#kernel/bytes.ts'
import { isWritError } from '#kernel/errors.ts'
import type { JsonObject } from '#kernel/json.ts'
import type { Signer } from '#kernel/signer.ts'
import { cliError } from './errors.ts'

/** A token behind PKCS#11, as the command line or a `key.json` names it. */
export interface TokenPlace {
  /** RFC 7512, without module and PIN. */
  readonly uri: string
  /** Absolute path of the module. */
  readonly module: string
  /** Absolute path of the file with the PIN. */
  readonly pinFile: string
}

/**
 * Keys that are in hardware. The library of each kind is loaded when the first key of that kind is used, and what is
 * open is closed when the command is done.
 */
export class AgentKeys {
  readonly #tokens: Pkcs11Keys[] = []

  /**
   * The identity in a folder; a key in hardware is looked for when something is to be signed. With `$WRIT_TPM_TLS` it
   * enters TLS through OpenSSL's provider, or is refused.
   */
  identityIn(folder: string): Identity {
    const identity = readIdentity(folder, (reference) => this.#signerOf(reference))
    return process.env['WRIT_TPM_TLS'] === '1' ? withProviderTls(identity) : identity
  }

  async newTpmKey(address: string): Promise<TpmAgentKey> {
    const { DEFAULT_TPM_ADDRESS, TpmAgentKey: Keys } = await import('#adapters/tpm-device/index.ts')
    return Keys.create(address === '' ? DEFAULT_TPM_ADDRESS : address, { random: new SystemRandom() })
  }

  /** The key that the URI names on its token; it is made there when there is none, or none is named. */
  async tokenKey(place: TokenPlace): Promise<HardwareKey> {
    const { signer, reference } = await openOrGenerate(await this.#token(place), place.uri)
    return hardwareKey(signer, { ...place, uri: reference })
  }

  /** Any key of a token, to sign with. */
  async tokenSigner(place: TokenPlace): Promise<Signer> {
    return (await this.#token(place)).open(place.uri)
  }

  async close(): Promise<void> {
    await Promise.all(this.#tokens.splice(0).map((keys) => keys.close()))
  }

  #signerOf(reference: JsonObject): Signer {
    const publicKey = fromBase64(fieldOf(reference, 'public_key'))
    if (reference['type'] === 'tpm') return new LazySigner(publicKey, () => tpmSigner(reference))
    if (reference['type'] !== 'pkcs11') throw cliError('KEY_FILE_UNKNOWN')
    const place = placeIn(reference)
    return new LazySigner(publicKey, async () => (await this.#token(place)).open(place.uri, publicKey))
  }

  async #token({ uri, module, pinFile }: TokenPlace): Promise<Pkcs11Keys> {
    const { Pkcs11Keys: Keys } = await import('#adapters/keys/pkcs11/index.ts')
    const keys = new Keys({ name: 'agent', module, uri, pin: { path: pinFile, kind: kindOf(pinFile) }, workers: 1 })
    this.#tokens.push(keys)
    return keys
  }
}

async function tpmSigner(reference: JsonObject): Promise<Signer> {
  const { TpmAgentKey: Keys } = await import('#adapters/tpm-device/index.ts')
  return Keys.open(reference, { random: new SystemRandom() }).signer
}

/** A key that is looked for when it first has to sign, and again after a failure. */
class LazySigner implements Signer {
  readonly algorithm = 'ES256'
  readonly publicKey: Bytes
  readonly #open: () => Promise<Signer>
  #opening: Promise<Signer> | null = null

  constructor(publicKey: Bytes, open: () => Promise<Signer>) {
    this.publicKey = publicKey
    this.#open = open
  }

  async sign(message: Bytes): Promise<Bytes> {
    this.#opening ??= this.#open()
    try {
      return await (await this.#opening).sign(message)
    } catch (error) {
      this.#opening = null
      throw error
    }
  }
}

async function openOrGenerate(
  keys: Pkcs11Keys,
  uri: string,
): Promise<{ readonly signer: Signer; readonly reference: string }> {
  const { parsePkcs11Uri } = await import('#adapters/keys/pkcs11/index.ts')
  const { object, id } = parsePkcs11Uri(uri)
  if (object === undefined && id === undefined) return keys.generate(newName(), 'ES256')
  try {
    return { signer: await keys.open(uri), reference: uri }
  } catch (error) {
    if (!isWritError(error, 'KEY_NOT_FOUND') || object === undefined || id !== undefined) throw error
    return keys.generate(object, 'ES256')
  }
}

function newName(): string {
  return `writ-${toHex(new SystemRandom().bytes(8))}`
}

/** @throws KEY_NOT_P256 */
function hardwareKey(signer: Signer, { uri, module, pinFile }: TokenPlace): HardwareKey {
  if (signer.algorithm !== 'ES256') throw cliError('KEY_NOT_P256', { details: { algorithm: signer.algorithm } })
  const reference = { type: 'pkcs11', uri, module, pin_file: pinFile, public_key: toBase64(signer.publicKey) }
  return { kind: 'hardware', signer, files: { 'key.json': `${JSON.stringify(reference, null, 2)}\n` } }
}

function placeIn(reference: JsonObject): TokenPlace {
  return {
    uri: fieldOf(reference, 'uri'),
    module: fieldOf(reference, 'module'),
    pinFile: fieldOf(reference, 'pin_file'),
  }
}

/** @throws KEY_FILE_UNKNOWN */
function fieldOf(reference: JsonObject, name: string): string {
  const value = reference[name]
  if (typeof value !== 'string') throw cliError('KEY_FILE_UNKNOWN', { details: { missing: name } })
  return value
}

/** What a service manager has placed is closed by other means than its mode. */
function kindOf(pinFile: string): 'file' | 'credential' {
  const credentials = process.env['CREDENTIALS_DIRECTORY']
  return credentials !== undefined && pinFile.startsWith(join(credentials, '/')) ? 'credential' : 'file'
}
