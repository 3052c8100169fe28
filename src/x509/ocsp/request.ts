import type { Bytes } from '#kernel/bytes.ts'
import { oidElement, sequence, tlv } from '../der/build.ts'
import { refuseAs } from '../der/fault.ts'
import { DerReader } from '../der/reader.ts'
import { contextConstructed, TAG } from '../der/tags.ts'
import { x509Error } from '../errors.ts'
import { readRawExtensions, type RawExtension } from '../extensions/read.ts'
import { OID } from '../oids.ts'
import { encodeCertId, readCertId } from './cert-id.ts'
import type { CertId, OcspRequest } from './types.ts'

/** O14: a request names a certificate or a few; one that is larger wants something else. */
export const OCSP_REQUEST_LIMITS = { bytes: 4096, requests: 8, extensions: 8, leastNonce: 1, mostNonce: 128 } as const

const NONCE = oidElement(OID.ocspNonce)
/** Extensions that change nothing about what is answered here (O10). */
const UNDERSTOOD: readonly string[] = [OID.ocspNonce]

/**
 * OCSPRequest (RFC 6960 section 4.1.1): strict DER, limits first. Signatures and names of requestors are stepped over.
 * @throws OCSP_TOO_LARGE, OCSP_MALFORMED, OCSP_NONCE, OCSP_CRITICAL_EXTENSION
 */
export function parseOcspRequest(der: Bytes): OcspRequest {
  if (der.length > OCSP_REQUEST_LIMITS.bytes) throw x509Error('OCSP_TOO_LARGE', { details: { length: der.length } })
  return refuseAs('OCSP_MALFORMED', () => {
    const outer = DerReader.of(der)
    const request = outer.enter(TAG.sequence)
    outer.finish()
    const tbs = request.enter(TAG.sequence)
    if (request.nextTag === contextConstructed(0)) request.element()
    request.finish()
    return readTbs(tbs)
  })
}

function readTbs(tbs: DerReader): OcspRequest {
  // DER leaves version 1 out; clients that say it are understood.
  if (tbs.nextTag === contextConstructed(0)) {
    const version = tbs.enter(contextConstructed(0))
    version.smallInteger(0)
    version.finish()
  }
  if (tbs.nextTag === contextConstructed(1)) tbs.element()
  const certIds = readRequests(tbs.enter(TAG.sequence))
  const extensions = tbs.nextTag === contextConstructed(2) ? readExtensions(tbs.enter(contextConstructed(2))) : []
  tbs.finish()
  return { certIds, nonce: nonceOf(extensions) }
}

function readRequests(list: DerReader): readonly CertId[] {
  const certIds: CertId[] = []
  do {
    if (certIds.length === OCSP_REQUEST_LIMITS.requests) throw x509Error('OCSP_TOO_LARGE')
    const item = list.enter(TAG.sequence)
    certIds.push(readCertId(item))
    if (!item.atEnd()) readExtensions(item.enter(contextConstructed(0)))
    item.finish()
  } while (!list.atEnd())
  return certIds
}

function readExtensions(wrapper: DerReader): readonly RawExtension[] {
  const extensions = readRawExtensions(wrapper, OCSP_REQUEST_LIMITS.extensions)
  wrapper.finish()
  const unknown = extensions.find(({ oid, critical }) => critical && !UNDERSTOOD.includes(oid))
  if (unknown !== undefined) throw x509Error('OCSP_CRITICAL_EXTENSION', { details: { oid: unknown.oid } })
  return extensions
}

/** RFC 9654 section 2.1: an OCTET STRING of 1 to 128 octets inside of the value (O8). */
function nonceOf(extensions: readonly RawExtension[]): Bytes | undefined {
  const extension = extensions.find(({ oid }) => oid === OID.ocspNonce)
  if (extension === undefined) return undefined
  const value = DerReader.of(extension.value)
  const nonce = value.octetString()
  value.finish()
  const { leastNonce, mostNonce } = OCSP_REQUEST_LIMITS
  if (nonce.length < leastNonce || nonce.length > mostNonce) throw x509Error('OCSP_NONCE')
  return nonce
}

/** What a client sends: unsigned, as RFC 9919 has it. */
export function encodeOcspRequest({ certIds, nonce }: OcspRequest): Bytes {
  const list = sequence(...certIds.map((certId) => sequence(encodeCertId(certId))))
  const parts = nonce === undefined ? [list] : [list, tlv(contextConstructed(2), sequence(encodeNonce(nonce)))]
  return sequence(sequence(...parts))
}

/** The Extension as requests and responses have it. */
export function encodeNonce(nonce: Bytes): Bytes {
  return sequence(NONCE, tlv(TAG.octetString, tlv(TAG.octetString, nonce)))
}
