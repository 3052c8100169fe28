import type { ActiveSigner, RevokingSigner } from '#authority/index.ts'
import { toHex, type Bytes } from '#kernel/bytes.ts'
import { sha256 } from '#kernel/digest.ts'
import { isWritError } from '#kernel/errors.ts'
import type { Instant } from '#kernel/instant.ts'
import {
  assembleCrl,
  encodeTbsCrlInSlices,
  parseCrlInSlices,
  verifyCrl,
  type Certificate,
  type Crl,
  type CrlEntry,
  type CrlScope,
  type Pause,
} from '#x509/index.ts'
import { issuanceError } from './errors.ts'
import { preparedOf, type Prepared } from './prepared.ts'

export interface CrlOrder {
  readonly signer: ActiveSigner | RevokingSigner
  readonly entries: readonly CrlEntry[]
  readonly number: bigint
  /** Whole seconds; so is `nextUpdate`. */
  readonly thisUpdate: Instant
  readonly nextUpdate: Instant
  readonly scope?: CrlScope | undefined
}

/**
 * A CRL of an X.509 authority, to be signed like everything else: once, with the receipt that commits to it, and read
 * again as a stranger would before it leaves (R1 to R4, R10, R11). It may be very long: `pause` lets others have their
 * turn while it is made and while it is read.
 * @throws SIGNER_MISMATCH, TEMPLATE_INVALID
 */
export async function prepareCrl(
  order: CrlOrder,
  pause: Pause = async () => Promise.resolve(),
): Promise<Prepared<Crl>> {
  const { signer, number, ...content } = order
  const { certificate, algorithm, authorityId } = signer
  if (certificate === null) throw issuanceError('SIGNER_MISMATCH', { details: { kind: signer.kind } })
  const template = {
    ...content,
    number,
    signatureAlgorithm: algorithm,
    issuer: certificate.subject,
    authorityKeyIdentifier: certificate.publicKey.keyIdentifier,
  }
  const tbs = await encodeTbsCrlInSlices(template, pause)
  const hash = toHex(sha256(tbs))
  await pause()
  return preparedOf({
    signer,
    message: tbs,
    hash,
    commitment: 'tbs',
    object: `crl:${authorityId}:${number.toString()}`,
    finish: async (signature) => {
      await pause()
      const crl = await readBack(assembleCrl(tbs, algorithm, signature), certificate, pause)
      // As `equal`, but none of it is secret, and it is long.
      if (Buffer.compare(crl.tbs, tbs) !== 0) {
        throw issuanceError('SIGNED_OTHER_BYTES', { details: { crl: crl.number.toString() } })
      }
      return crl
    },
  })
}

/** @throws LINT_FAILED */
async function readBack(der: Bytes, issuer: Certificate, pause: Pause): Promise<Crl> {
  try {
    // Our own: as large as what has been revoked.
    const crl = await parseCrlInSlices(der, { maxBytes: der.length, maxEntries: der.length }, pause)
    verifyCrl(crl, issuer)
    return crl
  } catch (cause) {
    if (!isWritError(cause)) throw cause
    throw issuanceError('LINT_FAILED', { details: { rules: cause.code }, cause })
  }
}
