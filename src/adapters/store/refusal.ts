import type { Refuse } from '#flows/ports.ts'
import { isWritError, type WritError } from '#kernel/errors.ts'
import { storeError } from './errors.ts'

/** Carries the refusal of a commit that lost up to where its transaction is undone. */
export class Refused extends Error {
  readonly refusal: WritError

  /** @throws STORE_REFUSAL_INVALID when the story makes no WritError: its code goes into the denial leaf */
  constructor(refuse: Refuse) {
    super('refused')
    this.refusal = refusalOf(refuse)
  }
}

/** A change lost after an earlier one of the same commit had taken effect: only undoing the transaction helps. */
export class LostLate extends Error {
  readonly refuse: Refuse

  constructor(refuse: Refuse) {
    super('lost late')
    this.refuse = refuse
  }
}

function refusalOf(refuse: Refuse): WritError {
  let refusal: unknown
  try {
    refusal = refuse()
  } catch (cause) {
    throw storeError('STORE_REFUSAL_INVALID', { cause })
  }
  if (!isWritError(refusal)) throw storeError('STORE_REFUSAL_INVALID')
  return refusal
}
