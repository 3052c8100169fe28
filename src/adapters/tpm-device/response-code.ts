import type { WritError } from '#kernel/errors.ts'
import { tpmDeviceError, type TPM_DEVICE_ERRORS } from './errors.ts'

/** A TPM_RC taken apart (TPM 2.0 Library, Part 2, 6.6). */
export interface ResponseCode {
  /** The code without the part that says what it is about. */
  readonly base: number
  /** What a format-one code is about: `parameter 2`, `handle 1`, `session 3`; else `command`. */
  readonly about: string
}

const FORMAT_ONE = 0x080
const PARAMETER = 0x040
const SESSION = 0x800

/** Format one: bit 6 says parameter, else bit 11 says session, else it is a handle; four or three bits of number. */
export function decodeResponseCode(code: number): ResponseCode {
  if ((code & FORMAT_ONE) === 0) return { base: code, about: 'command' }
  const base = code & 0x0bf
  const number = (code >>> 8) & 0xf
  if (number === 0) return { base, about: 'command' }
  if ((code & PARAMETER) !== 0) return { base, about: `parameter ${String(number)}` }
  return { base, about: (code & SESSION) === 0 ? `handle ${String(number)}` : `session ${String(number & 7)}` }
}

/** NV_RATE, RETRY, YIELDED, TESTING: the command was not begun; the same bytes may be sent again. */
const NOT_NOW = [0x920, 0x922, 0x908, 0x90a]

export function isNotNow(code: number): boolean {
  return NOT_NOW.includes(code)
}

type DeviceErrorCode = keyof typeof TPM_DEVICE_ERRORS

const OF_BASE: Readonly<Record<number, DeviceErrorCode>> = {
  0x100: 'TPM_FAILED', // INITIALIZE
  0x101: 'TPM_FAILED', // FAILURE
  0x125: 'TPM_AUTHORIZATION_FAILED', // AUTH_MISSING
  0x12f: 'TPM_AUTHORIZATION_FAILED', // AUTH_UNAVAILABLE
  0x08b: 'TPM_HANDLE_UNKNOWN', // HANDLE
  0x08e: 'TPM_AUTHORIZATION_FAILED', // AUTH_FAIL
  0x09d: 'TPM_AUTHORIZATION_FAILED', // POLICY_FAIL
  0x09f: 'TPM_BLOB_FOREIGN', // INTEGRITY
  0x0a2: 'TPM_AUTHORIZATION_FAILED', // BAD_AUTH
  0x902: 'TPM_MEMORY_FULL', // OBJECT_MEMORY
  0x903: 'TPM_MEMORY_FULL', // SESSION_MEMORY
  0x904: 'TPM_MEMORY_FULL', // MEMORY
  0x905: 'TPM_MEMORY_FULL', // SESSION_HANDLES
  0x908: 'TPM_BUSY', // YIELDED
  0x90a: 'TPM_BUSY', // TESTING
  0x920: 'TPM_BUSY', // NV_RATE
  0x921: 'TPM_LOCKED_OUT', // LOCKOUT
  0x922: 'TPM_BUSY', // RETRY
}

/** VALUE about a handle: there is nothing under it. */
const VALUE = 0x084

function deviceErrorCode({ base, about }: ResponseCode): DeviceErrorCode {
  const isReference = base >= 0x910 && base <= 0x91e
  if (isReference || (base === VALUE && about.startsWith('handle'))) return 'TPM_HANDLE_UNKNOWN'
  return OF_BASE[base] ?? 'TPM_COMMAND_REFUSED'
}

/** The failure that a response code stands for. */
export function refusalOf(code: number, command: string): WritError {
  const decoded = decodeResponseCode(code)
  const details = { command, rc: `0x${code.toString(16)}`, about: decoded.about }
  return tpmDeviceError(deviceErrorCode(decoded), { details })
}
