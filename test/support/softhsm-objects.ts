import { createDecipheriv, createECDH, createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { SoftHsm } from './softhsm.ts'

/**
 * Reads the private P-256 keys of a SoftHSM token out of its files, with the PIN: what protects them is that alone. For
 * tests that look for those very octets elsewhere.
 */

const [BYTES, BOOLEAN, INTEGER] = [3n, 1n, 2n]
const [CKA_VALUE, USER_PIN] = [0x11n, 0x8000534dn]
const ITERATIONS = 1500

/** `publicKey` is the uncompressed point. */
export interface ExposedKey {
  readonly scalar: Buffer
  readonly publicKey: Buffer
}

export function exposedKeys(hsm: SoftHsm): readonly ExposedKey[] {
  const [name = ''] = readdirSync(hsm.tokenFolder)
  const folder = join(hsm.tokenFolder, name)
  const files = readdirSync(folder).filter((file) => file.endsWith('.object'))
  const token = attributesOf(readFileSync(join(folder, 'token.object')))
  const sealed = [...token].find(([type]) => type === USER_PIN)?.[1]
  if (sealed === undefined) throw new TypeError('no user PIN in the token')
  const key = tokenKey(sealed, hsm.token.pin)
  return files
    .filter((file) => file !== 'token.object')
    .flatMap((file) => {
      const value = attributesOf(readFileSync(join(folder, file))).get(CKA_VALUE)
      return value === undefined || value.length === 0
        ? []
        : [exposed(unseal(key, value.subarray(0, 16), value.subarray(16)))]
    })
}

function exposed(octets: Buffer): ExposedKey {
  const scalar = Buffer.concat([Buffer.alloc(Math.max(0, 32 - octets.length)), octets.subarray(-32)])
  const pair = createECDH('prime256v1')
  pair.setPrivateKey(scalar)
  return { scalar, publicKey: pair.getPublicKey() }
}

/** The generation, then type, kind and value of each attribute, in 64-bit numbers. */
function attributesOf(file: Buffer): Map<bigint, Buffer> {
  const found = new Map<bigint, Buffer>()
  let at = 8
  while (at + 16 <= file.length) {
    const [type, kind] = [file.readBigUInt64BE(at), file.readBigUInt64BE(at + 8)]
    at += 16
    if (kind === BOOLEAN) at += 1
    else if (kind === INTEGER) at += 8
    else {
      const length = Number(file.readBigUInt64BE(at))
      if (kind === BYTES) found.set(type, file.subarray(at + 8, at + 8 + length))
      at += 8 + length
    }
  }
  return found
}

function tokenKey(sealed: Buffer, pin: string): Buffer {
  const salt = sealed.subarray(0, 8)
  let digest = createHash('sha256').update(salt).update(pin).digest()
  for (let left = ITERATIONS + (salt[7] ?? 0) - 1; left > 0; left--)
    digest = createHash('sha256').update(digest).digest()
  // A magic of three octets stands before the key.
  return unseal(digest, sealed.subarray(8, 24), sealed.subarray(24)).subarray(3)
}

function unseal(key: Buffer, iv: Buffer, sealed: Buffer): Buffer {
  const decipher = createDecipheriv('aes-256-cbc', key, iv)
  return Buffer.concat([decipher.update(sealed), decipher.final()])
}
