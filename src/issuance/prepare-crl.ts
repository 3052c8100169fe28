import type { ActiveSigner, RevokingSigner } from '#authority/index.ts'
import { equal, toHex, type Bytes } from '#kernel/bytes.ts'
import { sha256 } from '#kernel/digest.ts'
import { isWritError } from '#kernel/errors.ts'
import type { Instant } from '#kernel/instant.ts'
import {
  assembleCrl,
  encodeTbsCrl,
  parseCrl,
  verifyCrl,
  type Certificate,
  type Crl,
  type CrlEntry,
  type CrlScope,
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
 * again as a stranger would before it leaves (R1 to R4, R10, R11).
 * @throws SIGNER_MISMATCH, TEMPLATE_INVALID
 */
export function prepareCrl(order: CrlOrder): Prepared<Crl> {
  const { signer, number, ...content } = order
  const { certificate, algorithm, authorityId } = signer
  if (certificate === null) throw issuanceError('SIGNER_MISMATCH', { details: { kind: signer.kind } })
  const tbs = encodeTbsCrl({
    ...content,
    number,
    signatureAlgorithm: algorithm,
    issuer: certificate.subject,
    authorityKeyIdentifier: certificate.publicKey.keyIdentifier,
  })
  return preparedOf({
    signer,
    message: tbs,
    hash: toHex(sha256(tbs)),
    commitment: 'tbs',
    object: `crl:${authorityId}:${number.toString()}`,
    finish: (signature) => finishCrl(assembleCrl(tbs, algorithm, signature), tbs, certificate),
  })
}

/** @throws LINT_FAILED, SIGNED_OTHER_BYTES */
function finishCrl(der: Bytes, tbs: Bytes, issuer: Certificate): Crl {
  const crl = readBack(der, issuer)
  if (!equal(crl.tbs, tbs)) throw issuanceError('SIGNED_OTHER_BYTES', { details: { crl: crl.number.toString() } })
  return crl
}

function readBack(der: Bytes, issuer: Certificate): Crl {
  try {
    // Our own: as large as what has been revoked.
    const crl = parseCrl(der, { maxBytes: der.length, maxEntries: der.length })
    verifyCrl(crl, issuer)
    return crl
  } catch (cause) {
    if (!isWritError(cause)) throw cause
    throw issuanceError('LINT_FAILED', { details: { rules: cause.code }, cause })
  }
}
