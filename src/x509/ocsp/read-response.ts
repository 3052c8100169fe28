import { equal, type Bytes } from '#kernel/bytes.ts'
import type { Instant } from '#kernel/instant.ts'
import type { Certificate } from '../certificate.ts'
import { REVOCATION_REASONS, type RevocationReason } from '../crl/types.ts'
import { derFault, refuseAs } from '../der/fault.ts'
import { DerReader } from '../der/reader.ts'
import { contextConstructed, contextPrimitive, TAG } from '../der/tags.ts'
import { readGeneralizedTime } from '../der/time.ts'
import { x509Error } from '../errors.ts'
import { readRawExtensions } from '../extensions/read.ts'
import { readAlgorithm, type AlgorithmIdentifier } from '../keys/signature-algorithm.ts'
import { OID, PURPOSE } from '../oids.ts'
import { readCertId } from './cert-id.ts'
import { OCSP_FAILURES, type CertStatus, type OcspFailure, type SingleResponse } from './types.ts'

const MAX_BYTES = 16_384
const MAX_EXTENSIONS = 8
const FAILURES = Object.keys(OCSP_FAILURES) as OcspFailure[]
const REASONS = Object.keys(REVOCATION_REASONS) as RevocationReason[]

/** An answer that is well formed; whether it is its issuer's is what `verifyOcspResponse` says. */
export interface OcspAnswer {
  readonly tbs: Bytes
  readonly signatureAlgorithm: AlgorithmIdentifier
  readonly signature: Bytes
  readonly responderKey: Bytes
  readonly producedAt: Instant
  readonly responses: readonly SingleResponse[]
  readonly nonce: Bytes | undefined
  /** DER, as sent along. */
  readonly certificates: readonly Bytes[]
}

/**
 * What we write and nothing else: basic, by key, complete.
 * @throws OCSP_TOO_LARGE, OCSP_MALFORMED
 */
export function parseOcspResponse(der: Bytes): OcspAnswer | OcspFailure {
  if (der.length > MAX_BYTES) throw x509Error('OCSP_TOO_LARGE', { details: { length: der.length } })
  return refuseAs('OCSP_MALFORMED', () => {
    const outer = DerReader.of(der)
    const response = outer.enter(TAG.sequence)
    outer.finish()
    const failure = readFailure(response)
    const answer = failure ?? readBytes(response.enter(contextConstructed(0)))
    response.finish()
    return answer
  })
}

/** Null for the one status that comes with an answer. */
function readFailure(response: DerReader): OcspFailure | null {
  const start = response.offset
  const code = response.content(TAG.enumerated)
  if (code.length === 1 && code[0] === 0) return null
  const failure = FAILURES.find((name) => code.length === 1 && OCSP_FAILURES[name] === code[0])
  if (failure === undefined) throw derFault('DER_INTEGER', start)
  return failure
}

function readBytes(wrapper: DerReader): OcspAnswer {
  const bytes = wrapper.enter(TAG.sequence)
  wrapper.finish()
  if (bytes.oid() !== OID.ocspBasic) throw derFault('DER_OID', 0)
  const basic = bytes.octetString()
  bytes.finish()
  return readBasic(basic)
}

function readBasic(der: Bytes): OcspAnswer {
  const outer = DerReader.of(der)
  const basic = outer.enter(TAG.sequence)
  outer.finish()
  const tbs = basic.element(TAG.sequence)
  const signatureAlgorithm = readAlgorithm(basic)
  const signature = basic.octetBits()
  const certificates = basic.atEnd() ? [] : readCertificates(basic.enter(contextConstructed(0)))
  basic.finish()
  return { tbs, signatureAlgorithm, signature, certificates, ...readTbs(tbs) }
}

function readCertificates(wrapper: DerReader): readonly Bytes[] {
  const list = wrapper.enter(TAG.sequence)
  wrapper.finish()
  const certificates: Bytes[] = []
  while (!list.atEnd()) certificates.push(list.element(TAG.sequence))
  return certificates
}

function readTbs(der: Bytes): Pick<OcspAnswer, 'responderKey' | 'producedAt' | 'responses' | 'nonce'> {
  const tbs = DerReader.of(der).enter(TAG.sequence)
  const responder = tbs.enter(contextConstructed(2))
  const responderKey = responder.octetString()
  responder.finish()
  const producedAt = readGeneralizedTime(tbs)
  const list = tbs.enter(TAG.sequence)
  const responses: SingleResponse[] = []
  while (!list.atEnd()) responses.push(readSingle(list.enter(TAG.sequence)))
  const nonce = tbs.atEnd() ? undefined : readNonce(tbs.enter(contextConstructed(1)))
  tbs.finish()
  return { responderKey, producedAt, responses, nonce }
}

function readNonce(wrapper: DerReader): Bytes | undefined {
  const extensions = readRawExtensions(wrapper, MAX_EXTENSIONS)
  wrapper.finish()
  const extension = extensions.find(({ oid }) => oid === OID.ocspNonce)
  return extension === undefined ? undefined : DerReader.of(extension.value).octetString()
}

function readSingle(single: DerReader): SingleResponse {
  const certId = readCertId(single)
  const status = readStatus(single)
  const thisUpdate = readGeneralizedTime(single)
  const next = single.enter(contextConstructed(0))
  const nextUpdate = readGeneralizedTime(next)
  next.finish()
  single.finish()
  return { certId, status, thisUpdate, nextUpdate }
}

function readStatus(single: DerReader): CertStatus {
  const start = single.offset
  if (single.nextTag === contextPrimitive(0) || single.nextTag === contextPrimitive(2)) {
    const kind = single.nextTag === contextPrimitive(0) ? 'good' : 'unknown'
    if (single.content(single.nextTag).length !== 0) throw derFault('DER_LENGTH', start)
    return { kind }
  }
  const revoked = single.enter(contextConstructed(1))
  const at = readGeneralizedTime(revoked)
  const reason = revoked.atEnd() ? 'unspecified' : readReason(revoked.enter(contextConstructed(0)))
  revoked.finish()
  return { kind: 'revoked', at, reason }
}

function readReason(wrapper: DerReader): RevocationReason {
  const start = wrapper.offset
  const octets = wrapper.content(TAG.enumerated)
  wrapper.finish()
  const reason = REASONS.find((name) => octets.length === 1 && REVOCATION_REASONS[name] === octets[0])
  if (reason === undefined || reason === 'unspecified') throw derFault('DER_INTEGER', start)
  return reason
}

/**
 * That the issuer's own key, or a responder whom it has delegated to, has signed (O4): a delegate's certificate is
 * signed by the very key of the issuer and made for OCSP and nothing else.
 * @throws OCSP_RESPONDER, OCSP_SIGNATURE_INVALID
 */
export function verifyOcspResponse(answer: OcspAnswer, issuer: Certificate, delegate: Certificate | null): void {
  const responder = delegate ?? issuer
  if (delegate !== null) checkDelegate(delegate, issuer)
  if (!equal(answer.responderKey, responder.publicKey.keyIdentifier)) throw x509Error('OCSP_RESPONDER')
  const algorithm = answer.signatureAlgorithm.name
  if (algorithm === undefined || !responder.publicKey.verify(algorithm, answer.tbs, answer.signature)) {
    throw x509Error('OCSP_SIGNATURE_INVALID')
  }
}

function checkDelegate(delegate: Certificate, issuer: Certificate): void {
  const purposes = delegate.extension('extKeyUsage')?.purposes ?? []
  const algorithm = delegate.signatureAlgorithm.name
  const isSigned = algorithm !== undefined && issuer.publicKey.verify(algorithm, delegate.tbs, delegate.signature)
  const isOurs = equal(delegate.issuer, issuer.subject) && isSigned
  if (!isOurs || purposes.length !== 1 || purposes[0] !== PURPOSE.ocspSigning) throw x509Error('OCSP_RESPONDER')
}
