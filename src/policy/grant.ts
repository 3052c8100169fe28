import { canonicalize, parseJson, type JsonObject } from '#kernel/json.ts'
import type { AuthorizationDetail } from '#tasks/index.ts'
import { decide, type Decision } from './decide.ts'
import { policyError } from './errors.ts'
import { asJson, digestOf, rightsDigestOf, textDigest, type DecisionInput, type Purpose } from './input.ts'

/**
 * Proof that the policy said yes to exactly one request. Only the `permit…` functions of this room get to make one.
 * INVARIANT: `replay(input)` is `permit`, and the digests are those of `input` and of the rights in it.
 */
export class Grant {
  readonly #input: string
  readonly purpose: Purpose
  /** `sha-256:<hex>` of the rights that decided. */
  readonly policyDigest: string
  /** `sha-256:<hex>` of everything that the decision depended on. */
  readonly inputDigest: string
  /** What a task or a task token may be used for; empty for an SVID. */
  readonly authority: readonly AuthorizationDetail[]

  /** What exactly was asked for and granted. */
  readonly request: JsonObject

  private constructor(input: DecisionInput, authority: readonly AuthorizationDetail[]) {
    this.#input = canonicalize(asJson(input))
    this.purpose = input.request.purpose
    this.policyDigest = rightsDigestOf(input.rights)
    this.inputDigest = textDigest(this.#input)
    this.authority = authority
    this.request = input.request as unknown as JsonObject
  }

  /** @throws the policy code of the first rule that denies; its details carry both digests, for the audit leaf */
  static decide(input: DecisionInput, authority: readonly AuthorizationDetail[] = []): Grant {
    const decision = decide(input)
    if (decision === 'permit') return new Grant(input, authority)
    const digests = { policy: rightsDigestOf(input.rights), input: digestOf(asJson(input)) }
    throw policyError(decision, { details: { purpose: input.request.purpose, ...digests } })
  }

  /** The decision's input as canonical JSON, to be kept beside the audit leaf and replayed. */
  get input(): string {
    return this.#input
  }
}

/** Decides a recorded input again (promise 9). @throws as parseJson, when the text is not JSON */
export function replay(input: string): Decision {
  return decide(parseJson(input) as unknown as DecisionInput)
}
