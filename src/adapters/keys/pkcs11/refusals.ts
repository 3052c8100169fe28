import type { WritError } from '#kernel/errors.ts'
import { keysError } from '../errors.ts'
import { pkcs11Error } from './errors.ts'
import { isPinReason } from './ladder.ts'
import type { Reason } from './protocol.ts'

const REFUSALS: Readonly<Record<string, (details: { token: string; reason: string }) => WritError>> = {
  TOKEN_NOT_FOUND: (details) => pkcs11Error('KEY_TOKEN_NOT_FOUND', { details }),
  TOKEN_AMBIGUOUS: (details) => pkcs11Error('KEY_TOKEN_AMBIGUOUS', { details }),
  KEY_NOT_FOUND: (details) => keysError('KEY_NOT_FOUND', { details }),
  KEY_AMBIGUOUS: (details) => pkcs11Error('KEY_AMBIGUOUS', { details }),
  KEY_EXISTS: (details) => keysError('KEY_EXISTS', { details }),
  PIN_UNREADABLE: (details) => pkcs11Error('KEY_PIN_UNREADABLE', { details }),
  BINDING_FAILED: (details) => pkcs11Error('KEY_MODULE_UNUSABLE', { details }),
}

/** What a caller hears when something was not done for this reason. */
export function refusalOf(token: string, reason: Reason): WritError {
  const details = { token, reason }
  const refusal = REFUSALS[reason]
  if (refusal !== undefined) return refusal(details)
  if (isPinReason(reason)) return pkcs11Error('KEY_PIN_REFUSED', { details })
  return unavailable(token, reason)
}

/** While the token is in use: what is wrong with it is not the caller's business, but to come back. */
export function unavailable(token: string, reason: Reason): WritError {
  return keysError('KEY_UNAVAILABLE', {
    message: `keys in ${token} are unavailable: ${reason}`,
    details: { token, reason },
  })
}
