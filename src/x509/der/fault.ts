import { isWritError, type WritError } from '#kernel/errors.ts'
import { DER_ERRORS, x509Error, type X509ErrorCode } from '../errors.ts'

export type DerErrorCode = keyof typeof DER_ERRORS

export function derFault(code: DerErrorCode, offset: number): WritError<DerErrorCode> {
  return x509Error(code, { details: { offset } })
}

function isDerFault(error: unknown): error is WritError<DerErrorCode> {
  return isWritError(error) && Object.hasOwn(DER_ERRORS, error.code)
}

/** Runs `read`; a fault of the encoding becomes `code`, with the fault as its cause. Other errors pass. */
export function refuseAs<Value>(code: X509ErrorCode, read: () => Value): Value {
  try {
    return read()
  } catch (error) {
    rethrowAs(code, error)
  }
}

/** What `refuseAs` does with an error that was caught. */
export function rethrowAs(code: X509ErrorCode, error: unknown): never {
  if (!isDerFault(error)) throw error
  throw x509Error(code, { cause: error, details: { fault: error.code, ...error.details } })
}
