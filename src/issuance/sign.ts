import type { Receipt } from '#audit/index.ts'
import { issuanceError } from './errors.ts'
import { redeemPrepared, type Prepared } from './prepared.ts'

/**
 * Signs what was prepared, once, and lets nothing out that does not verify with the authority's public key or is not
 * what was prepared. Whatever it throws: no signature has left.
 * @throws PREPARED_USED, RECEIPT_MISMATCH, SIGNATURE_INVALID, SIGNED_OTHER_BYTES, LINT_FAILED, and what the signer
 * rejects with
 */
export async function sign<Result>(prepared: Prepared<Result>, receipt: Receipt): Promise<Result> {
  const { signer, message, finish } = redeemPrepared(prepared, receipt)
  const signature = await signer.sign(message)
  if (!signer.verify(message, signature)) {
    throw issuanceError('SIGNATURE_INVALID', { details: { authority: signer.authorityId, object: prepared.object } })
  }
  return finish(signature)
}
