import { z } from 'zod'
import {
  agentName,
  base64Text,
  csrText,
  instanceId,
  instantText,
  providerName,
  serial,
  sessionId,
  spiffeIdText,
  tokenText,
} from './values.ts'
import { trustBundle } from './federation.ts'
import { keyAttestation } from './key-attestation.ts'
import { tpmAnswer, tpmChallenge, tpmEvidence } from './tpm.ts'

/** A JWT of an issuer that the server is configured with. */
export const oidcEvidence = z.strictObject({ token: tokenText })
/** Whether a WIT-SVID for the same key is wanted beside the certificate, for a key that cannot enter TLS. */
const wit = z.boolean().optional()

/** `POST /v1/enroll`: evidence and a certificate request; one variant for each attestor. */
export const enrollRequest = z.discriminatedUnion('attestor', [
  z.strictObject({
    attestor: z.literal('join_token'),
    evidence: z.strictObject({ token: z.string().min(1).max(256) }),
    csr: csrText,
    agent: agentName.optional(),
    key_attestation: keyAttestation.optional(),
    wit,
  }),
  z.strictObject({
    attestor: z.literal('x509pop'),
    /** Where the server has several. */
    provider: providerName.optional(),
    /** Certificates, base64 of the DER, the leaf first. */
    evidence: z.strictObject({ chain: z.array(base64Text(60_000)).min(1).max(64) }),
    csr: csrText,
    agent: agentName.optional(),
    key_attestation: keyAttestation.optional(),
    wit,
  }),
  z.strictObject({
    attestor: z.literal('oidc'),
    /** Where the server knows the token's issuer under several names. */
    provider: providerName.optional(),
    /** An identity token, whose only audience is this server. */
    evidence: oidcEvidence,
    csr: csrText,
    agent: agentName.optional(),
    key_attestation: keyAttestation.optional(),
    wit,
  }),
  z.strictObject({
    attestor: z.literal('tpm'),
    provider: providerName.optional(),
    evidence: tpmEvidence,
    csr: csrText,
    agent: agentName.optional(),
    wit,
  }),
])
export type EnrollRequest = z.output<typeof enrollRequest>

/** The answer with status 202: do with the nonce as the attestor says, and answer to `/v1/enroll/{session}`. */
export const enrollChallenge = z.object({
  session: sessionId,
  nonce: sessionId,
  expires_at: instantText,
  /** Of the attestor `tpm` only. */
  tpm: tpmChallenge.optional(),
})
export type EnrollChallenge = z.output<typeof enrollChallenge>

/** `POST /v1/enroll/{session}`. */
export const enrollAnswerRequest = z.strictObject({
  answer: z.union([
    /** Of `x509pop`. */
    z.strictObject({ signature: base64Text(1368) }),
    /** Of `tpm`. */
    tpmAnswer,
  ]),
})
export type EnrollAnswerRequest = z.output<typeof enrollAnswerRequest>

/** `POST /v1/renew`, under the certificate that is to be renewed. */
export const renewRequest = z.strictObject({ csr: csrText, wit })
export type RenewRequest = z.output<typeof renewRequest>

/** An X.509-SVID: `certificate` is the PEM leaf, `chain` the PEM intermediates, which may be empty. */
export const svidAnswer = z.object({
  instance: instanceId,
  spiffe_id: spiffeIdText,
  certificate: z.string().max(16_384),
  chain: z.string().max(65_536),
  bundle: trustBundle,
  serial,
  not_before: instantText,
  not_after: instantText,
  renew_at: instantText,
  lifetime_cut: z.boolean(),
  /** The WIT-SVID for the same key, where one was asked for. */
  wit_svid: tokenText.optional(),
})
export type SvidAnswer = z.output<typeof svidAnswer>

/** What `POST /v1/enroll` answers: 201 with the SVID, or 202 with a challenge. */
export const enrollOutcome = z.union([svidAnswer, enrollChallenge])
export type EnrollOutcome = z.output<typeof enrollOutcome>

/** `POST /v1/jwt-svid`. */
export const jwtSvidRequest = z.strictObject({ audience: z.array(z.string().min(1).max(512)).min(1).max(8) })
export type JwtSvidRequest = z.output<typeof jwtSvidRequest>

export const jwtSvidAnswer = z.object({ token: tokenText, spiffe_id: spiffeIdText, expires_at: instantText })
export type JwtSvidAnswer = z.output<typeof jwtSvidAnswer>
