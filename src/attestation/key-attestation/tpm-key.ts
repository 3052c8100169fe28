import { equal } from '#kernel/bytes.ts'
import type { JsonObject } from '#kernel/json.ts'
import { parsePublic, spkiOf } from '#tpm/index.ts'
import type { Certificate } from '#x509/index.ts'
import { attestationError } from '../errors.ts'
import { bytesOf, objectOf, onlyMembers, textOf } from '../members.ts'
import { checkAttestationKey, checkCertifiedKey } from '../tpm/key-rules.ts'
import { readSignedAttest, verifyCertify } from '../tpm/signed-attest.ts'
import type { KeyAttestation } from './key-attestation.ts'
import { readStatementChain, verifyStatementPath } from './statement-path.ts'

export const TPM_KEY = 'tpm'

/** tcg-kp-AIKCertificate: whoever certifies attestation keys with it has seen to it that they are in a TPM. */
const AK_CERTIFICATE = '2.23.133.8.3'
const MAX_PUBLIC_TEXT = 1368

/**
 * Evidence `{ak_public, key_public, chain, certify}`: for devices whose attestation key has a certificate already
 * (`chain`, leaf first), so that one message will do. The attestation key certifies the key of the request, with
 * the nonce as its qualifying data. Where it has none, the attestor `tpm` activates a credential instead; the checks of
 * the keys and of what is signed are the same.
 */
export function tpmKeyAttestation(roots: readonly Certificate[]): KeyAttestation {
  return {
    type: TPM_KEY,
    roots,
    verify(evidence: JsonObject, { publicKey, nonce, now }) {
      onlyMembers(evidence, 'ak_public', 'key_public', 'chain', 'certify')
      const ak = parsePublic(bytesOf(textOf(evidence['ak_public'], MAX_PUBLIC_TEXT)))
      const key = parsePublic(bytesOf(textOf(evidence['key_public'], MAX_PUBLIC_TEXT)))
      const chain = readStatementChain(evidence)
      checkAttestationKey(ak)
      checkCertifiedKey(key)
      if (!equal(spkiOf(key), publicKey)) throw attestationError('TPM_KEY_NOT_REQUESTED')
      const [certificate] = chain
      const purposes = certificate.extension('extKeyUsage')?.purposes
      const isOfKey = equal(certificate.publicKey.spki, spkiOf(ak))
      if (!isOfKey || purposes?.includes(AK_CERTIFICATE) !== true) throw attestationError('KEY_ATTESTATION_INVALID')
      verifyStatementPath(chain, roots, now)
      verifyCertify({ ak, qualifyingData: nonce }, readSignedAttest(objectOf(evidence['certify'])), key)
      return 'tpm'
    },
  }
}
