import { connect, type Socket } from 'node:net'
import { concat, type Bytes } from '#kernel/bytes.ts'
import { isWritError } from '#kernel/errors.ts'
import type { Milliseconds } from '#kernel/instant.ts'
import type { TpmAddress } from './address.ts'
import { tpmDeviceError } from './errors.ts'
import { LARGEST_RESPONSE, responseSize, type TpmTransport } from './transport.ts'

type SocketAddress = Exclude<TpmAddress, { kind: 'device' }>

const CONNECT_LIMIT: Milliseconds = 5_000

interface Waiting {
  readonly resolve: (response: Bytes) => void
  readonly reject: (reason: unknown) => void
}

/** swtpm over TCP or a unix socket: bare TPM commands and responses, told apart by their size field. */
export class SocketTransport implements TpmTransport {
  readonly #socket: Socket
  readonly #timeLimit: Milliseconds
  #received: Bytes = new Uint8Array()
  #waiting: Waiting | null = null
  #dead: Error | null = null

  private constructor(socket: Socket, timeLimit: Milliseconds) {
    this.#socket = socket
    this.#timeLimit = timeLimit
    socket.on('data', (chunk: Buffer) => {
      this.#take(chunk)
    })
    socket.on('error', (cause) => {
      this.#die(tpmDeviceError('TPM_CONNECTION_LOST', { cause }))
    })
    socket.on('close', () => {
      this.#die(tpmDeviceError('TPM_CONNECTION_LOST'))
    })
  }

  /** @throws TPM_UNREACHABLE */
  static async open(address: SocketAddress, timeLimit: Milliseconds): Promise<SocketTransport> {
    const target = address.kind === 'unix' ? { path: address.path } : { host: address.host, port: address.port }
    const socket = connect(target)
    try {
      await connected(socket)
    } catch (cause) {
      socket.destroy()
      throw tpmDeviceError('TPM_UNREACHABLE', { cause })
    }
    return new SocketTransport(socket.setNoDelay(true), timeLimit)
  }

  transmit(command: Bytes): Promise<Bytes> {
    if (this.#dead !== null) return Promise.reject(this.#dead)
    const { promise, resolve, reject } = Promise.withResolvers<Bytes>()
    const timer = setTimeout(() => {
      this.#die(tpmDeviceError('TPM_TIMED_OUT', { details: { after_ms: this.#timeLimit } }))
    }, this.#timeLimit)
    this.#waiting = { resolve, reject }
    this.#socket.write(command)
    return promise.finally(() => {
      clearTimeout(timer)
    })
  }

  close(): Promise<void> {
    if (this.#socket.destroyed) return Promise.resolve()
    return new Promise((resolve) => {
      this.#socket.once('close', () => {
        resolve()
      })
      this.#socket.destroy()
    })
  }

  #take(chunk: Bytes): void {
    if (this.#waiting === null || this.#received.length + chunk.length > LARGEST_RESPONSE) {
      this.#die(tpmDeviceError('TPM_ANSWER_INVALID', { message: 'more bytes than a response has' }))
      return
    }
    this.#received = concat(this.#received, chunk)
    try {
      this.#settleWhole(this.#waiting)
    } catch (error) {
      this.#die(error)
    }
  }

  #settleWhole(waiting: Waiting): void {
    if (this.#received.length !== responseSize(this.#received)) return
    const response = this.#received
    this.#received = new Uint8Array()
    this.#waiting = null
    waiting.resolve(response)
  }

  /** What comes after a failure cannot be matched to a command any more, so the connection ends. */
  #die(reason: unknown): void {
    this.#dead ??= isWritError(reason) ? reason : tpmDeviceError('TPM_CONNECTION_LOST', { cause: reason })
    this.#waiting?.reject(this.#dead)
    this.#waiting = null
    this.#socket.destroy()
  }
}

function connected(socket: Socket): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      reject(tpmDeviceError('TPM_TIMED_OUT', { details: { after_ms: CONNECT_LIMIT } }))
    }, CONNECT_LIMIT)
    const settle = (error: Error | null): void => {
      clearTimeout(timer)
      socket.removeAllListeners()
      if (error === null) resolve()
      else reject(error)
    }
    socket.once('error', settle)
    socket.once('connect', () => {
      settle(null)
    })
  })
}
