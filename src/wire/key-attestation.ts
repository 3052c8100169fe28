import { z } from 'zod'
import { base64Text } from './values.ts'

const certificates = z.array(base64Text(12_000)).min(1).max(5)
const publicText = base64Text(1368)

/** Where the key of the certificate request lives, as its device states it; beside the evidence of any attestor. */
export const keyAttestation = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('yubikey_piv'),
    /** DER: the certificate that the YubiKey made for the slot, that of slot F9, and intermediates. */
    chain: certificates,
  }),
  z.strictObject({
    type: z.literal('tpm'),
    ak_public: publicText,
    key_public: publicText,
    /** DER: the certificate of the attestation key (extended key usage 2.23.133.8.3), and intermediates. */
    chain: certificates,
    /** Of the key, by the attestation key; qualifying data is SHA-256 of `encodeKeyStatement`. */
    certify: z.strictObject({ attest: publicText, signature: publicText }),
  }),
])
export type KeyAttestationStatement = z.output<typeof keyAttestation>
