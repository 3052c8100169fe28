import { concat, type Bytes } from '#kernel/bytes.ts'
import { sized, TPM_HANDLE, uint32, uint8, type TpmReader } from '#tpm/index.ts'
import { tpmDeviceError } from './errors.ts'

/** What is authorized: a command's number, the Names of its handles, its parameters as they are sent. */
export interface Authorized {
  readonly code: number
  readonly names: readonly Bytes[]
  readonly parameters: Bytes
}

/** One entry of a command's authorization area, and how its counterpart in the response is checked. */
export interface Authorization {
  /** TPMS_AUTH_COMMAND. */
  command(authorized: Authorized): Bytes
  /** @throws TPM_ANSWER_FORGED */
  check(response: AuthorizationResponse, answered: Omit<Authorized, 'names'>): void
  /** For one that protects parameters: the first of the command is made unreadable, and that of the response readable. */
  readonly protection?: ParameterProtection
}

export interface ParameterProtection {
  /** Begins a command: a new nonce, with which the first parameter is encrypted. */
  encrypt(parameter: Bytes): Bytes
  /** After `check`. */
  decrypt(parameter: Bytes): Bytes
}

/** TPMS_AUTH_RESPONSE. */
export interface AuthorizationResponse {
  readonly nonce: Bytes
  readonly attributes: number
  readonly hmac: Bytes
}

const NOTHING = new Uint8Array()
const LONGEST = 64

export function readAuthorizationResponse(reader: TpmReader): AuthorizationResponse {
  return { nonce: reader.sized(LONGEST), attributes: reader.uint8(), hmac: reader.sized(LONGEST) }
}

/** Of an object or hierarchy without a password; ours have none, because they would have to be kept somewhere. */
export const NO_PASSWORD: Authorization = {
  command: () => plain(TPM_HANDLE.password),
  check: expectNothing,
}

/** A policy session, which ends with the command when that succeeds. */
export function policyAuthorization(handle: number): Authorization {
  return { command: () => plain(handle), check: expectNothing }
}

function plain(handle: number): Bytes {
  return concat(uint32(handle), sized(NOTHING), uint8(0), sized(NOTHING))
}

function expectNothing({ hmac }: AuthorizationResponse): void {
  if (hmac.length !== 0) throw tpmDeviceError('TPM_ANSWER_FORGED')
}
