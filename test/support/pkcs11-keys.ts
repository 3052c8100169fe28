import { createPublicKey, verify } from 'node:crypto'
import { Pkcs11Keys, type KeyObserver, type Pkcs11Options } from '#adapters/keys/pkcs11/index.ts'
import { utf8, type Bytes } from '#kernel/bytes.ts'
import { isWritError } from '#kernel/errors.ts'
import type { Signer } from '#kernel/signer.ts'
import type { SoftHsm } from './softhsm.ts'

/** What a token's keys told their observer. */
export class Observed implements KeyObserver {
  readonly outcomes: string[] = []
  readonly recoveries: string[] = []
  readonly states: string[] = []
  readonly remarks: string[] = []

  signature(_token: string, outcome: string): void {
    this.outcomes.push(outcome)
  }

  recovery(_token: string, rung: string, succeeded: boolean): void {
    this.recoveries.push(`${rung} ${succeeded ? 'helped' : 'failed'}`)
  }

  state(_token: string, state: string, reason: string | null): void {
    this.states.push(reason === null ? state : `${state} ${reason}`)
  }

  remark(_token: string, key: string, remark: string): void {
    this.remarks.push(`${key} ${remark}`)
  }
}

export function openKeys(hsm: SoftHsm, options: Partial<Pkcs11Options> = {}): Pkcs11Keys {
  const { uri, pinFile } = hsm.token
  return new Pkcs11Keys({
    name: 'test',
    module: hsm.module,
    uri,
    pin: { path: pinFile, kind: 'file' },
    limit: 2000,
    ...options,
  })
}

export function isRight(signer: Signer, message: Bytes, signature: Bytes): boolean {
  const key = createPublicKey({ key: Buffer.from(signer.publicKey), format: 'der', type: 'spki' })
  return verify(signer.algorithm === 'ES384' ? 'sha384' : 'sha256', message, key, signature)
}

/** Signs without pause from several sides and judges everything that comes back. */
export class SigningLoad {
  right = 0
  wrong = 0
  /** Codes of refusals, with how often each came. */
  readonly refused = new Map<string, number>()
  /** When the last good signature came, by performance.now(). */
  lastRight = 0
  #isOver = false
  readonly #loops: readonly Promise<void>[]

  constructor(signer: Signer, clients = 4) {
    this.#loops = Array.from({ length: clients }, (_, client) => this.#loop(signer, client))
  }

  async stop(): Promise<void> {
    this.#isOver = true
    await Promise.all(this.#loops)
  }

  async #loop(signer: Signer, client: number): Promise<void> {
    for (let number = 0; !this.#isOver; number++) {
      const message = utf8(`message ${client.toString()} ${number.toString()}`)
      try {
        const isGood = isRight(signer, message, await signer.sign(message))
        if (isGood) this.right++
        else this.wrong++
        this.lastRight = performance.now()
      } catch (error) {
        const code = isWritError(error) ? error.code : 'NOT_OURS'
        this.refused.set(code, (this.refused.get(code) ?? 0) + 1)
      }
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  }
}

/** Milliseconds until a signature comes; fails after `limit`. */
export async function untilSigned(signer: Signer, limit = 8000): Promise<number> {
  const begun = performance.now()
  for (;;) {
    try {
      await signer.sign(utf8('again'))
      return performance.now() - begun
    } catch (error) {
      if (performance.now() - begun > limit) throw error
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
}
