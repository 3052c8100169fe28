import { createPrivateKey, generateKeyPair, type KeyObject } from 'node:crypto'
import { isAbsolute, join } from 'node:path'
import { promisify } from 'node:util'
import type { SignatureAlgorithm } from '#kernel/algorithms.ts'
import { equal, utf8, type Bytes } from '#kernel/bytes.ts'
import type { Signer } from '#kernel/signer.ts'
import type { Keys } from '#flows/ports.ts'
import { keysError } from '../errors.ts'
import { softwareKeysError } from './errors.ts'
import { readKeyFile, writeKeyFile } from './key-files.ts'
import { SoftwareSigner } from './software-signer.ts'

const generate = promisify(generateKeyPair)
const NAME = /^[a-z0-9-]{1,100}$/
const NAMED = 'software:'
const PLACED = 'file:'

/**
 * Keys as PKCS #8 PEM files (0600) in one folder (0700) of the server's user. A reference is `software:<name>`, or
 * `file:<absolute path>` for a key that an operator keeps elsewhere, such as that of a root.
 */
export class SoftwareKeys implements Keys {
  readonly #folder: string

  constructor(folder: string) {
    this.#folder = folder
  }

  /** @throws KEY_EXISTS, KEY_NAME_INVALID, KEY_FILE_EXPOSED */
  async generate(
    name: string,
    algorithm: SignatureAlgorithm,
  ): Promise<{ readonly reference: string; readonly signer: Signer }> {
    const reference = NAMED + name
    const path = this.#pathOf(reference)
    const key = await newKey(algorithm)
    await writeKeyFile(path, utf8(key.export({ type: 'pkcs8', format: 'pem' }).toString()))
    return { reference, signer: new SoftwareSigner(key) }
  }

  /** @throws KEY_NOT_FOUND, KEY_FILE_EXPOSED, KEY_UNUSABLE, KEY_NAME_INVALID, KEY_MISMATCH */
  async open(reference: string, expected?: Bytes): Promise<Signer> {
    const contents = await readKeyFile(this.#pathOf(reference))
    let key: KeyObject
    try {
      key = createPrivateKey({ key: Buffer.from(contents), format: 'pem' })
    } catch {
      // The parser's own message may quote what it read.
      throw keysError('KEY_UNUSABLE')
    } finally {
      contents.fill(0)
    }
    const signer = new SoftwareSigner(key)
    if (expected !== undefined && !equal(expected, signer.publicKey)) throw keysError('KEY_MISMATCH')
    return signer
  }

  #pathOf(reference: string): string {
    if (reference.startsWith(PLACED)) {
      const path = reference.slice(PLACED.length)
      if (!isAbsolute(path)) throw softwareKeysError('KEY_NAME_INVALID')
      return path
    }
    const name = reference.slice(NAMED.length)
    if (!reference.startsWith(NAMED) || !NAME.test(name)) throw softwareKeysError('KEY_NAME_INVALID')
    return join(this.#folder, `${name}.pem`)
  }
}

async function newKey(algorithm: SignatureAlgorithm): Promise<KeyObject> {
  if (algorithm === 'RS256') return (await generate('rsa', { modulusLength: 3072 })).privateKey
  const namedCurve = algorithm === 'ES256' ? 'P-256' : 'P-384'
  return (await generate('ec', { namedCurve })).privateKey
}
