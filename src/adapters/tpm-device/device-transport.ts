import { open, type FileHandle } from 'node:fs/promises'
import { concat, type Bytes } from '#kernel/bytes.ts'
import { isWritError } from '#kernel/errors.ts'
import type { Milliseconds } from '#kernel/instant.ts'
import { tpmDeviceError } from './errors.ts'
import { LARGEST_RESPONSE, responseSize, type TpmTransport } from './transport.ts'

/**
 * A TPM behind a file, `/dev/tpmrm0`: one write is one command, and reads give its response. Both run on the thread
 * pool, so that a slow TPM never holds the event loop.
 */
export class DeviceTransport implements TpmTransport {
  readonly #file: FileHandle
  readonly #timeLimit: Milliseconds
  #dead: Error | null = null
  #closed = false

  private constructor(file: FileHandle, timeLimit: Milliseconds) {
    this.#file = file
    this.#timeLimit = timeLimit
  }

  /** @throws TPM_UNREACHABLE */
  static async open(path: string, timeLimit: Milliseconds): Promise<DeviceTransport> {
    try {
      return new DeviceTransport(await open(path, 'r+'), timeLimit)
    } catch (cause) {
      throw tpmDeviceError('TPM_UNREACHABLE', { cause, details: { path } })
    }
  }

  async transmit(command: Bytes): Promise<Bytes> {
    if (this.#dead !== null) throw this.#dead
    const { promise: late, reject } = Promise.withResolvers<never>()
    const timer = setTimeout(() => {
      reject(tpmDeviceError('TPM_TIMED_OUT', { details: { after_ms: this.#timeLimit } }))
    }, this.#timeLimit)
    try {
      return await Promise.race([this.#exchange(command), late])
    } catch (cause) {
      this.#dead = isWritError(cause) ? cause : tpmDeviceError('TPM_CONNECTION_LOST', { cause })
      throw this.#dead
    } finally {
      clearTimeout(timer)
    }
  }

  async #exchange(command: Bytes): Promise<Bytes> {
    const { bytesWritten } = await this.#file.write(command, 0, command.length, null)
    if (bytesWritten !== command.length) throw tpmDeviceError('TPM_CONNECTION_LOST', { message: 'a short write' })
    let received: Bytes = new Uint8Array()
    while (received.length !== responseSize(received)) {
      const buffer = new Uint8Array(LARGEST_RESPONSE)
      const { bytesRead } = await this.#file.read(buffer, 0, buffer.length, null)
      if (bytesRead === 0) throw tpmDeviceError('TPM_CONNECTION_LOST', { message: 'the device has ended' })
      received = concat(received, buffer.subarray(0, bytesRead))
    }
    return received
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    const closing = this.#file.close()
    // A read that the TPM never ends would hold its file, and with it the caller, for ever.
    if (this.#dead === null) await closing
    else closing.catch(() => undefined)
  }
}
