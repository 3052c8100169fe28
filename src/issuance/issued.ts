import type { Certificate } from '#x509/index.ts'
import type { CertificateRecord } from './records.ts'

let make: (certificate: Certificate, record: CertificateRecord) => Issued

/** A certificate that was recorded, signed, verified and linted. It must not leave before its record says `issued`. */
export class Issued {
  readonly #certificate: Certificate
  /** The row as it is to become: with the DER, in state `issued`. */
  readonly record: CertificateRecord

  private constructor(certificate: Certificate, record: CertificateRecord) {
    this.#certificate = certificate
    this.record = record
  }

  static {
    make = (certificate, record) => new Issued(certificate, record)
  }

  get certificate(): Certificate {
    return this.#certificate
  }
}

/** For the room's own preparation of certificates. */
export function issuedOf(certificate: Certificate, intent: CertificateRecord): Issued {
  return make(certificate, { ...intent, der: certificate.der, state: 'issued' })
}
