import type { SignatureAlgorithm } from '#kernel/algorithms.ts'
import { utf8, type Bytes } from '#kernel/bytes.ts'
import { SECOND, type Instant } from '#kernel/instant.ts'
import type { Signer } from '#kernel/signer.ts'
import { REVOCATION_REASONS } from '../crl/types.ts'
import { bitsElement, oidElement, sequence, tlv } from '../der/build.ts'
import { contextConstructed, contextPrimitive, TAG } from '../der/tags.ts'
import { generalizedText } from '../der/time.ts'
import { x509Error } from '../errors.ts'
import { encodeAlgorithm } from '../keys/signature-algorithm.ts'
import { OID } from '../oids.ts'
import { encodeCertId } from './cert-id.ts'
import { encodeNonce } from './request.ts'
import { OCSP_FAILURES, type CertStatus, type OcspFailure, type SingleResponse } from './types.ts'

/** An answer before it is signed. */
export interface OcspTemplate {
  readonly signatureAlgorithm: SignatureAlgorithm
  /** SHA-1 of the responder's key bits: `publicKey.keyIdentifier` of its certificate (O6). */
  readonly responderKey: Bytes
  /** Whole seconds. */
  readonly producedAt: Instant
  readonly responses: readonly SingleResponse[]
  /** As the request had it; an answer that is made in advance has none. */
  readonly nonce?: Bytes | undefined
}

const BASIC = oidElement(OID.ocspBasic)
const SUCCESSFUL = tlv(TAG.enumerated, new Uint8Array([0]))

/**
 * ResponseData (RFC 6960 section 4.2.1), by key, reasons in the RevokedInfo and nowhere else (O10).
 * @throws TEMPLATE_INVALID
 */
export function encodeTbsOcsp({ responderKey, producedAt, responses, nonce }: OcspTemplate): Bytes {
  if (responses.length === 0 || responderKey.length !== 20) throw invalid('responses')
  return sequence(
    tlv(contextConstructed(2), tlv(TAG.octetString, responderKey)),
    time(producedAt),
    sequence(...responses.map(encodeSingle)),
    ...(nonce === undefined ? [] : [tlv(contextConstructed(1), sequence(encodeNonce(nonce)))]),
  )
}

function encodeSingle({ certId, status, thisUpdate, nextUpdate }: SingleResponse): Bytes {
  if (thisUpdate >= nextUpdate) throw invalid('nextUpdate')
  return sequence(
    encodeCertId(certId),
    encodeStatus(status),
    time(thisUpdate),
    tlv(contextConstructed(0), time(nextUpdate)),
  )
}

function encodeStatus(status: CertStatus): Bytes {
  if (status.kind === 'good') return tlv(contextPrimitive(0))
  if (status.kind === 'unknown') return tlv(contextPrimitive(2))
  const { at, reason } = status
  const code = tlv(contextConstructed(0), tlv(TAG.enumerated, new Uint8Array([REVOCATION_REASONS[reason]])))
  // R9: unspecified is said by saying nothing.
  return tlv(contextConstructed(1), time(at), ...(reason === 'unspecified' ? [] : [code]))
}

/** GeneralizedTime whatever the year (RFC 6960 section 4.2.1), seconds present, no fractions (O9). */
function time(moment: Instant): Bytes {
  if (moment % SECOND !== 0) throw invalid('time')
  return tlv(TAG.generalizedTime, utf8(generalizedText(moment)))
}

/**
 * A whole OCSPResponse. `certificates`, DER, let a client verify a delegated responder.
 * @throws TEMPLATE_INVALID; rejects when the signer does
 */
export async function createOcspResponse(
  template: OcspTemplate,
  signer: Signer,
  certificates: readonly Bytes[],
): Promise<Bytes> {
  if (signer.algorithm !== template.signatureAlgorithm) throw invalid('signatureAlgorithm')
  const tbs = encodeTbsOcsp(template)
  const basic = sequence(
    tbs,
    encodeAlgorithm(signer.algorithm),
    bitsElement(await signer.sign(tbs)),
    ...(certificates.length === 0 ? [] : [tlv(contextConstructed(0), sequence(...certificates))]),
  )
  return sequence(SUCCESSFUL, tlv(contextConstructed(0), sequence(BASIC, tlv(TAG.octetString, basic))))
}

/** An answer that says why there is none (O1): nothing in it is signed. */
export function ocspFailure(failure: OcspFailure): Bytes {
  return sequence(tlv(TAG.enumerated, new Uint8Array([OCSP_FAILURES[failure]])))
}

function invalid(part: string): Error {
  return x509Error('TEMPLATE_INVALID', { details: { part } })
}
