import { createHash } from 'node:crypto'
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { run } from './run.ts'
import { SOFTHSM_MODULE } from './softhsm.ts'

const HOME = fileURLToPath(new URL('../../hsm/fault-injector/', import.meta.url))

/** The functions in which something can go wrong, in the order of the control file. */
const FUNCTIONS = [
  'C_Initialize',
  'C_Finalize',
  'C_GetSlotList',
  'C_GetTokenInfo',
  'C_OpenSession',
  'C_CloseSession',
  'C_Login',
  'C_FindObjectsInit',
  'C_FindObjects',
  'C_GetAttributeValue',
  'C_SignInit',
  'C_Sign',
  'C_GenerateKeyPair',
] as const
export type FaultyFunction = (typeof FUNCTIONS)[number]

const HEADER = 8
const WORDS = 8
const [GONE, LIE] = [0, 1]
const [RETURN, DELAY, PASS, TIMES, ABORT, CALLS, , MOST] = [0, 1, 2, 3, 4, 5, 6, 7]

export const CKR = {
  DEVICE_ERROR: 0x30,
  DEVICE_REMOVED: 0x32,
  FUNCTION_FAILED: 0x06,
  OBJECT_HANDLE_INVALID: 0x82,
  OPERATION_ACTIVE: 0x90,
  SESSION_HANDLE_INVALID: 0xb3,
  TOKEN_NOT_PRESENT: 0xe0,
  USER_NOT_LOGGED_IN: 0x101,
  VENDOR: 0x80000382,
} as const

export interface Fault {
  readonly value?: number
  /** Milliseconds before the call. */
  readonly delay?: number
  /** Calls that pass before the first fault. */
  readonly pass?: number
  /** How many calls fail; all of them unless given. */
  readonly times?: number
  /** The process that loaded the module ends. */
  readonly abort?: boolean
}

/** The module of hsm/fault-injector in front of another one, compiled once per state of its source. */
export class FaultInjector {
  readonly folder = mkdtempSync(join(tmpdir(), 'writ-faults-'))
  readonly module: string
  readonly environment: Readonly<Record<string, string>>
  readonly #file: number

  constructor(behind: string = SOFTHSM_MODULE) {
    this.module = compiled()
    const control = join(this.folder, 'control')
    writeFileSync(control, new Uint8Array((HEADER + FUNCTIONS.length * WORDS) * 8), { mode: 0o600 })
    this.#file = openSync(control, 'r+')
    this.environment = { WRIT_FAULT_MODULE: behind, WRIT_FAULT_CONTROL: control }
  }

  /** In this process; once, since a module reads its environment when it is loaded. */
  use(): this {
    Object.assign(process.env, this.environment)
    return this
  }

  set(name: FaultyFunction, { value = 0, delay = 0, pass = 0, times = 0, abort = false }: Fault): void {
    const at = indexOf(name)
    this.#write(at + DELAY, delay * 1000)
    this.#write(at + PASS, pass)
    this.#write(at + TIMES, times)
    this.#write(at + ABORT, Number(abort))
    this.#write(at + RETURN, value)
  }

  /** Every function answers like this. */
  goneWith(value: number): void {
    this.#write(GONE, value)
  }

  /** Signatures are wrong. */
  lie(): void {
    this.#write(LIE, 1)
  }

  /** Nothing goes wrong any more; what was counted stays. */
  heal(): void {
    this.goneWith(0)
    this.#write(LIE, 0)
    for (const name of FUNCTIONS) this.set(name, {})
  }

  calls(name: FaultyFunction): number {
    return this.#read(indexOf(name) + CALLS)
  }

  /** The most calls that were at work at the same time. */
  mostAtWork(name: FaultyFunction): number {
    return this.#read(indexOf(name) + MOST)
  }

  forget(): void {
    for (const name of FUNCTIONS) {
      this.#write(indexOf(name) + CALLS, 0)
      this.#write(indexOf(name) + MOST, 0)
    }
  }

  remove(): void {
    closeSync(this.#file)
    rmSync(this.folder, { recursive: true, force: true })
  }

  #write(word: number, value: number): void {
    const octets = Buffer.alloc(8)
    octets.writeBigUInt64LE(BigInt(value))
    writeSync(this.#file, octets, 0, 8, word * 8)
  }

  #read(word: number): number {
    const octets = Buffer.alloc(8)
    readSync(this.#file, octets, 0, 8, word * 8)
    return Number(octets.readBigUInt64LE())
  }
}

function indexOf(name: FaultyFunction): number {
  return HEADER + FUNCTIONS.indexOf(name) * WORDS
}

function compiled(): string {
  const source = readFileSync(join(HOME, 'fault-injector.c'))
  const path = join(
    tmpdir(),
    `writ-fault-injector-${createHash('sha256').update(source).digest('hex').slice(0, 16)}.so`,
  )
  if (existsSync(path)) return path
  const made = run(join(HOME, 'build'), [path])
  if (made.status !== 0) throw new TypeError(`the fault injector does not compile: ${made.stderr}`)
  return path
}
