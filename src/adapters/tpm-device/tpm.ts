import { setTimeout as sleep } from 'node:timers/promises'
import { concat, type Bytes } from '#kernel/bytes.ts'
import { isWritError } from '#kernel/errors.ts'
import type { Random } from '#kernel/random.ts'
import { TPM_COMMAND, TPM_ERRORS, TPM_HEADER_BYTES, TPM_TAG, TpmReader, uint16, uint32 } from '#tpm/index.ts'
import { readAuthorizationResponse, type Authorization } from './authorization.ts'
import { tpmDeviceError } from './errors.ts'
import { isNotNow, refusalOf } from './response-code.ts'
import type { TpmTransport } from './transport.ts'

/** An object that a command is about: its Name goes into what a session authorizes. */
export interface Handle {
  readonly handle: number
  readonly name: Bytes
}

export interface TpmCommand {
  readonly name: keyof typeof TPM_COMMAND
  readonly handles?: readonly Handle[]
  readonly authorizations?: readonly Authorization[]
  /** The first may be encrypted, and is a TPM2B then. */
  readonly parameters?: readonly Bytes[]
}

/** What a response holds: a handle where the command makes one, and the parameters. */
export interface TpmReply {
  readonly handle: number
  readonly parameters: TpmReader
}

const MAKES_HANDLE: readonly TpmCommand['name'][] = ['createPrimary', 'load', 'startAuthSession']
const ATTEMPTS = 10
const FIRST_PAUSE = 10
const LONGEST_PAUSE = 1_000

/** A TPM 2.0 behind one transport: one command in flight, the others wait their turn. */
export class Tpm {
  readonly random: Random
  readonly #transport: TpmTransport
  #last: Promise<unknown> = Promise.resolve()

  constructor(transport: TpmTransport, random: Random) {
    this.#transport = transport
    this.random = random
  }

  /**
   * Sends a command and reads its response whole. A TPM that says "not now" is asked again, ten times in five seconds.
   * @throws TPM_ANSWER_INVALID, TPM_ANSWER_FORGED, TPM_BUSY, what `refusalOf` knows, and what the transport throws
   */
  execute<Value>(command: TpmCommand, read: (reply: TpmReply) => Value): Promise<Value> {
    const turn = this.#last.then(() => this.#execute(command, read))
    this.#last = turn.catch(() => undefined)
    return turn
  }

  close(): Promise<void> {
    return this.#transport.close()
  }

  async #execute<Value>(command: TpmCommand, read: (reply: TpmReply) => Value): Promise<Value> {
    const response = await this.#ask(command, encodeCommand(command))
    try {
      const reply = readReply(command, response)
      const value = read(reply)
      reply.parameters.finish()
      return value
    } catch (cause) {
      if (!isWritError(cause) || !(cause.code in TPM_ERRORS)) throw cause
      throw tpmDeviceError('TPM_ANSWER_INVALID', { cause, details: { command: command.name, why: cause.code } })
    }
  }

  /** The body of the response to a command that succeeded. */
  async #ask({ name }: TpmCommand, bytes: Bytes): Promise<Response> {
    for (let attempt = 1, pause = FIRST_PAUSE; ; attempt++, pause = Math.min(pause * 2, LONGEST_PAUSE)) {
      const { code, ...response } = parseHeader(await this.#transport.transmit(bytes))
      if (code === 0) return response
      if (!isNotNow(code) || attempt === ATTEMPTS) throw refusalOf(code, name)
      await sleep(pause)
    }
  }
}

interface Response {
  readonly tag: number
  readonly body: Bytes
}

/** @throws TPM_ANSWER_INVALID */
function parseHeader(bytes: Bytes): Response & { readonly code: number } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const isWhole = bytes.length >= TPM_HEADER_BYTES && view.getUint32(2) === bytes.length
  if (!isWhole) throw tpmDeviceError('TPM_ANSWER_INVALID', { details: { length: bytes.length } })
  const [tag, code] = [view.getUint16(0), view.getUint32(6)]
  const isFailure = code !== 0 && tag === TPM_TAG.noSessions && bytes.length === TPM_HEADER_BYTES
  const isSuccess = code === 0 && (tag === TPM_TAG.noSessions || tag === TPM_TAG.sessions)
  if (!isFailure && !isSuccess) throw tpmDeviceError('TPM_ANSWER_INVALID', { details: { tag, code } })
  return { tag, code, body: bytes.slice(TPM_HEADER_BYTES) }
}

function encodeCommand({ name, handles = [], authorizations = [], parameters = [] }: TpmCommand): Bytes {
  const code = TPM_COMMAND[name]
  const [first = new Uint8Array(), ...others] = parameters
  const protection = authorizations.find((authorization) => authorization.protection !== undefined)?.protection
  const sent = concat(protection === undefined ? first : protection.encrypt(first), ...others)
  const authorized = { code, names: handles.map((handle) => handle.name), parameters: sent }
  const areas = concat(...authorizations.map((authorization) => authorization.command(authorized)))
  const body = concat(
    ...handles.map(({ handle }) => uint32(handle)),
    ...(authorizations.length === 0 ? [] : [uint32(areas.length), areas]),
    sent,
  )
  const tag = authorizations.length === 0 ? TPM_TAG.noSessions : TPM_TAG.sessions
  return concat(uint16(tag), uint32(TPM_HEADER_BYTES + body.length), uint32(code), body)
}

function readReply({ name, authorizations = [] }: TpmCommand, { tag, body }: Response): TpmReply {
  const wanted = authorizations.length === 0 ? TPM_TAG.noSessions : TPM_TAG.sessions
  if (tag !== wanted) throw tpmDeviceError('TPM_ANSWER_INVALID', { details: { command: name, tag } })
  const reader = TpmReader.of(body)
  const handle = MAKES_HANDLE.includes(name) ? reader.uint32() : 0
  if (authorizations.length === 0) return { handle, parameters: reader }
  const parameters = reader.take(reader.uint32())
  for (const authorization of authorizations) {
    authorization.check(readAuthorizationResponse(reader), { code: TPM_COMMAND[name], parameters })
  }
  reader.finish()
  const protection = authorizations.find((authorization) => authorization.protection !== undefined)?.protection
  return { handle, parameters: TpmReader.of(protection?.decrypt(parameters) ?? parameters) }
}
