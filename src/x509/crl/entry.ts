import type { Bytes } from '#kernel/bytes.ts'
import type { Instant } from '#kernel/instant.ts'
import { isWritError } from '#kernel/errors.ts'
import { oidElement } from '../der/build.ts'
import { TAG } from '../der/tags.ts'
import { DerWriter } from '../der/writer.ts'
import { x509Error } from '../errors.ts'
import { OID } from '../oids.ts'
import { isSerial } from '../serial.ts'
import { REVOCATION_REASONS, type RevocationReason, type RevokedCertificate } from './types.ts'

const REASON_CODE = oidElement(OID.reasonCode)

/** A revoked certificate as its CRL has it. It is encoded once, however many CRLs it appears on. */
export class CrlEntry implements RevokedCertificate {
  readonly serial: Bytes
  readonly revokedAt: Instant
  readonly reason: RevocationReason
  readonly der: Bytes

  private constructor({ serial, revokedAt, reason }: RevokedCertificate, der: Bytes) {
    this.serial = serial
    this.revokedAt = revokedAt
    this.reason = reason
    this.der = der
  }

  /** @throws TEMPLATE_INVALID for a serial number that no certificate has, or a time that is not a whole second */
  static of(revoked: RevokedCertificate): CrlEntry {
    if (!isSerial(revoked.serial)) throw x509Error('TEMPLATE_INVALID', { details: { part: 'serial' } })
    try {
      return new CrlEntry(revoked, encode(revoked))
    } catch (cause) {
      if (isWritError(cause)) throw x509Error('TEMPLATE_INVALID', { details: { part: 'revokedAt' }, cause })
      throw cause
    }
  }
}

function encode({ serial, revokedAt, reason }: RevokedCertificate): Bytes {
  const writer = new DerWriter(64)
  // R9: unspecified is said by saying nothing.
  if (reason !== 'unspecified') {
    writer.element(TAG.enumerated, new Uint8Array([REVOCATION_REASONS[reason]]))
    writer.wrap(TAG.octetString, 0)
    writer.raw(REASON_CODE)
    writer.wrap(TAG.sequence, 0)
    writer.wrap(TAG.sequence, 0)
  }
  writer.time(revokedAt)
  writer.element(TAG.integer, serial)
  writer.wrap(TAG.sequence, 0)
  return writer.finish()
}
