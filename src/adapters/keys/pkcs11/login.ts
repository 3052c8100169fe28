import { isWritError } from '#kernel/errors.ts'
import type { Secret } from '#kernel/secret.ts'
import { PinFile, type PinSource } from './pin-file.ts'
import type { Outcome, Reason, TokenQuery } from './protocol.ts'

/** Who is asked to log in: the keeper of the module, or a thread that has an instance of its own. */
export interface LoginAsker {
  ask(op: 'login', ask: { readonly token: TokenQuery; readonly pin: string }, limit: number): Promise<Outcome<null>>
}

/**
 * Logs in, and never twice with a PIN that was refused: three wrong ones lock a real token for good. Only a changed file
 * is worth another attempt.
 */
export class Login {
  readonly #file: PinFile
  #refused: string | null = null

  constructor(source: PinSource) {
    this.#file = new PinFile(source)
  }

  /** Null when the token is logged in. */
  async attempt(asker: LoginAsker, token: TokenQuery, limit: number): Promise<Reason | null> {
    const version = this.#file.version()
    if (this.#refused !== null && this.#refused === version) return 'PIN_LATCHED'
    const pin = this.#read()
    if (pin === null) return 'PIN_UNREADABLE'
    const outcome = await asker.ask('login', { token, pin: pin.reveal() }, limit)
    if (outcome.ok) return null
    if (outcome.reason.startsWith('CKR_PIN_')) this.#refused = version
    return outcome.reason
  }

  #read(): Secret<string> | null {
    try {
      return this.#file.read()
    } catch (error) {
      if (isWritError(error)) return null
      throw error
    }
  }
}
