import type { Reason } from '../protocol.ts'

/** Thrown and caught inside a thread only; its reason is what leaves it. */
export class Failure extends Error {
  override readonly name = 'Failure'
  readonly reason: Reason

  constructor(reason: Reason) {
    super(reason)
    this.reason = reason
  }
}

const VENDOR = 0x8000_0000

/** The name of the return value; what is no return value of the module is a fault of the binding. */
export function reasonOf(error: unknown): Reason {
  if (error instanceof Failure) return error.reason
  if (!(error instanceof Error)) return 'BINDING_FAILED'
  const { code } = error as Error & { readonly code?: unknown }
  if (typeof code !== 'number' || !error.message.startsWith('CKR_')) return 'BINDING_FAILED'
  return code >= VENDOR ? `CKR_VENDOR_DEFINED_0x${code.toString(16)}` : error.message.slice(0, 80)
}
