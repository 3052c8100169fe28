import type { Bytes } from '#kernel/bytes.ts'
import type { Instant } from '#kernel/instant.ts'
import type { JsonObject } from '#kernel/json.ts'
import type { Random } from '#kernel/random.ts'
import type { Credential, PcrSelection } from '#tpm/index.ts'
import type { Attested } from './attested.ts'
import { attestationError } from './errors.ts'

/** What an attestor may know of the request besides the evidence. */
export interface AttestContext {
  /** SHA-256 of the DER of the certificate request, hex: evidence that is bound to a key is bound to this. */
  readonly csrDigest: string
  /** The key of the certificate request: DER SubjectPublicKeyInfo. */
  readonly publicKey: Bytes
  readonly address: string
  /** Name of the configured provider that the request is for, where it says so. */
  readonly provider?: string | undefined
  readonly now: Instant
  readonly random: Random
}

/** The same when the answer to a challenge comes. */
export interface AnswerContext extends AttestContext {
  /** The session's id, as the caller has it. */
  readonly session: string
}

/** What an attestor has written down for itself between challenge and answer. */
export type SessionContext = Readonly<Record<string, string>>

/** What a TPM has to open, and the PCRs that it has to quote. */
export interface TpmChallenge extends Credential {
  readonly pcrs: PcrSelection | null
}

/** What goes to the caller. */
export interface ChallengeContents {
  /** 32 random bytes in base64url. */
  readonly nonce: string
  readonly tpm?: TpmChallenge
}

/** Another round trip is needed: `challenge` goes to the caller, `context` is kept in the session until it answers. */
export interface Challenge {
  readonly challenge: ChallengeContents
  readonly context: SessionContext
}

/** The attestation is either finished, or goes on with the answer to a challenge. */
export type Attestation =
  | { readonly kind: 'attested'; readonly attested: Attested }
  | { readonly kind: 'challenge'; readonly challenge: Challenge }

/** One method of attestation. It verifies; who the workload then is, the registry decides. */
export interface Attestor {
  /** As in requests, selectors and certificates: `join_token`, `tpm`, `kubernetes`. */
  readonly name: string
  /** @throws a typed refusal for evidence that does not hold */
  begin(evidence: JsonObject, context: AttestContext): Promise<Attestation>
  /** Only attestors that challenge have it. */
  finish?(answer: JsonObject, session: SessionContext, context: AnswerContext): Promise<Attested>
}

/** @throws ATTESTOR_UNKNOWN */
export function attestorNamed(attestors: readonly Attestor[], name: string): Attestor {
  const attestor = attestors.find((candidate) => candidate.name === name)
  if (attestor === undefined) throw attestationError('ATTESTOR_UNKNOWN')
  return attestor
}
