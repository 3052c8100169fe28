import { z } from 'zod'
import { base64Text } from './values.ts'

/** TPMT_PUBLIC of the largest key that is accepted, in base64. */
const publicText = base64Text(1368)
const certificateText = base64Text(12_000)

/** TPM structures are the TPM's own bytes, without outer length, in base64. */
export const tpmEvidence = z.strictObject({
  ek_public: publicText,
  /** DER. May be left out where the operator has listed the key itself. */
  ek_certificate: z.exactOptional(certificateText),
  /** DER of the intermediates that lead to the manufacturer's root. */
  ek_chain: z.exactOptional(z.array(certificateText).max(16)),
  ak_public: publicText,
  /** The key of the SVID: that of the certificate request. */
  key_public: publicText,
})
export type TpmEvidence = z.output<typeof tpmEvidence>

/** PCRs of one bank. */
export const pcrSelection = z.object({
  bank: z.enum(['sha256', 'sha384']),
  indexes: z.array(z.int().min(0).max(31)).min(1).max(32),
})

/** What the TPM has to open, and to quote where `pcrs` is not null. */
export const tpmChallenge = z.object({
  /** Contents of a TPM2B_ID_OBJECT. */
  credential_blob: base64Text(1368),
  /** Contents of a TPM2B_ENCRYPTED_SECRET. */
  encrypted_secret: base64Text(1368),
  pcrs: pcrSelection.nullable(),
})
export type TpmChallenge = z.output<typeof tpmChallenge>

const signedAttest = { attest: base64Text(1368), signature: base64Text(1368) }

/**
 * What the TPM has made of it. The qualifying data of both attestations is SHA-256 of `encodeTpmStatement`; both are
 * signed by the attestation key.
 */
export const tpmAnswer = z.strictObject({
  /** What TPM2_ActivateCredential has given out. */
  secret: base64Text(64),
  certify: z.strictObject(signedAttest),
  quote: z.exactOptional(
    z.strictObject({
      ...signedAttest,
      pcrs: z
        .array(
          z.strictObject({
            index: z.int().min(0).max(31),
            digest: z.string().regex(/^(?:[0-9a-f]{64}|[0-9a-f]{96})$/),
          }),
        )
        .max(32),
    }),
  ),
})
export type TpmAnswer = z.output<typeof tpmAnswer>
