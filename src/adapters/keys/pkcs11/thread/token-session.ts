import pkcs11, { type Handle, type PKCS11 } from 'pkcs11js'
import type { SignatureAlgorithm } from '#kernel/algorithms.ts'
import type { Bytes } from '#kernel/bytes.ts'
import type { SignKey, TokenQuery } from '../protocol.ts'
import { Failure, reasonOf } from './failure.ts'
import { findPrivateKey } from './key-objects.ts'
import { findSlot } from './module.ts'

/** More than any signature: a buffer that is too small would leave the operation active. */
const SIGNATURE_ROOM = 1032

/** What is signed: a digest, or a DigestInfo of RFC 8017. Modules take other lengths without a word. */
const INPUT_OCTETS: Readonly<Record<SignatureAlgorithm, number>> = { ES256: 32, ES384: 48, RS256: 51 }

/** One session, one operation at a time, with the handles of the keys that it has looked up. */
export class TokenSession {
  readonly #module: PKCS11
  readonly #token: TokenQuery
  readonly #writes: boolean
  readonly #handles = new Map<string, Handle>()
  #session: Handle | null = null

  /** One that `writes` makes keys, where the token lets it. */
  constructor(module: PKCS11, token: TokenQuery, { writes }: { readonly writes: boolean }) {
    this.#module = module
    this.#token = token
    this.#writes = writes
  }

  handle(): Handle {
    this.#session ??= this.#open()
    return this.#session
  }

  login(pin: string): void {
    try {
      this.#module.C_Login(this.handle(), pkcs11.CKU_USER, pin)
    } catch (error) {
      // By another session of this process.
      if (reasonOf(error) !== 'CKR_USER_ALREADY_LOGGED_IN') throw error
    }
    // What was found while logged out was not everything.
    this.#handles.clear()
  }

  sign(key: SignKey, input: Bytes): Bytes {
    if (input.length !== INPUT_OCTETS[key.algorithm]) throw new Failure('INPUT_LENGTH')
    const session = this.handle()
    const mechanism = key.algorithm === 'RS256' ? pkcs11.CKM_RSA_PKCS : pkcs11.CKM_ECDSA
    this.#module.C_SignInit(session, { mechanism }, this.#find(session, key))
    const made = this.#module.C_Sign(session, Buffer.from(input), Buffer.alloc(SIGNATURE_ROOM))
    return Uint8Array.from(made)
  }

  /** Lets go of a session in which something went wrong: an operation may still be active in it. */
  discard(): void {
    const session = this.#session
    this.#session = null
    this.#handles.clear()
    if (session === null) return
    try {
      this.#module.C_CloseSession(session)
    } catch {
      // It is gone already.
    }
  }

  #open(): Handle {
    const slot = findSlot(this.#module, this.#token)
    if (!this.#writes) return this.#module.C_OpenSession(slot, pkcs11.CKF_SERIAL_SESSION)
    try {
      return this.#module.C_OpenSession(slot, pkcs11.CKF_SERIAL_SESSION | pkcs11.CKF_RW_SESSION)
    } catch (error) {
      if (reasonOf(error) !== 'CKR_TOKEN_WRITE_PROTECTED') throw error
      return this.#module.C_OpenSession(slot, pkcs11.CKF_SERIAL_SESSION)
    }
  }

  #find(session: Handle, key: SignKey): Handle {
    const name = `${key.id ?? ''} ${key.object ?? ''}`
    const known = this.#handles.get(name)
    if (known !== undefined) return known
    const found = findPrivateKey(this.#module, session, key)
    this.#handles.set(name, found)
    return found
  }
}
