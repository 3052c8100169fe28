import { randomBytes } from 'node:crypto'
import { concat, utf8, type Bytes } from '#kernel/bytes.ts'
import { signingInput, type SignatureJudge } from './signing-input.ts'
import type { Outcome, Reason, SignKey } from './protocol.ts'

/** A key of the token that is in use. */
export interface TokenKey {
  /** For people. */
  readonly name: string
  readonly key: SignKey
  readonly judge: SignatureJudge
  /** Why it cannot be used although the token can; null when it can. */
  broken: Reason | null
}

/**
 * No certificate and no token begins like this: what a probe signs can be taken for nothing else.
 */
const PROBE = 'writ probe of a key, means nothing: '

export type ProbeSign = (key: SignKey, input: Bytes) => Promise<Outcome<Bytes>>

/** Lets each key make a signature, and judges it. Null when at least one was right, or there is none. */
export async function probeAll(keys: Iterable<TokenKey>, sign: ProbeSign): Promise<Reason | null> {
  let first: Reason | null = null
  let isAnyRight = false
  for (const key of keys) {
    key.broken = await probe(key, sign)
    if (key.broken === null) isAnyRight = true
    else first ??= key.broken
  }
  return isAnyRight ? null : first
}

export async function probe({ key, judge }: TokenKey, sign: ProbeSign): Promise<Reason | null> {
  const message = concat(utf8(PROBE), randomBytes(32))
  const outcome = await sign(key, signingInput(key.algorithm, message))
  if (!outcome.ok) return outcome.reason
  return (await judge.accept(message, outcome.value)) === null ? 'SIGNATURE_WRONG' : null
}
