import { hash } from 'node:crypto'
import { equal, type Bytes } from '#kernel/bytes.ts'
import type { Certificate } from '../certificate.ts'
import { oidElement, sequence, tlv } from '../der/build.ts'
import { derFault } from '../der/fault.ts'
import type { DerReader } from '../der/reader.ts'
import { TAG } from '../der/tags.ts'
import { isSerial } from '../serial.ts'
import { CERT_ID_HASHES, type CertId, type CertIdHash } from './types.ts'

const NAMES = Object.keys(CERT_ID_HASHES) as CertIdHash[]
const LENGTHS = { sha1: 20, sha256: 32 } as const
/** RFC 5754 section 2: no parameters; what clients send with NULL is accepted. */
const ALGORITHMS = {
  sha1: sequence(oidElement(CERT_ID_HASHES.sha1), tlv(TAG.null)),
  sha256: sequence(oidElement(CERT_ID_HASHES.sha256), tlv(TAG.null)),
} as const

/** How requests name an issuer, by either hash. */
export class IssuerNames {
  readonly #names: Readonly<Record<CertIdHash, { readonly name: Bytes; readonly key: Bytes }>>

  constructor({ subject, publicKey }: Pick<Certificate, 'subject' | 'publicKey'>) {
    const under = (algorithm: CertIdHash) => ({
      name: new Uint8Array(hash(algorithm, subject, 'buffer')),
      key: new Uint8Array(hash(algorithm, publicKey.keyBits, 'buffer')),
    })
    this.#names = { sha1: under('sha1'), sha256: under('sha256') }
  }

  /** The CertID of one of the issuer's certificates. */
  certId(algorithm: CertIdHash, serial: Bytes): CertId {
    const { name, key } = this.#names[algorithm]
    return { hash: algorithm, issuerNameHash: name, issuerKeyHash: key, serial }
  }

  issued({ hash: algorithm, issuerNameHash, issuerKeyHash }: CertId): boolean {
    const { name, key } = this.#names[algorithm]
    return equal(name, issuerNameHash) && equal(key, issuerKeyHash)
  }
}

/** @throws DER_… */
export function readCertId(reader: DerReader): CertId {
  const certId = reader.enter(TAG.sequence)
  const algorithm = readHash(certId)
  const issuerNameHash = certId.octetString()
  const issuerKeyHash = certId.octetString()
  const start = certId.offset
  const serial = certId.integer()
  certId.finish()
  const length = LENGTHS[algorithm]
  if (!isSerial(serial)) throw derFault('DER_INTEGER', start)
  if (issuerNameHash.length !== length || issuerKeyHash.length !== length) throw derFault('DER_LENGTH', start)
  return { hash: algorithm, issuerNameHash, issuerKeyHash, serial }
}

function readHash(reader: DerReader): CertIdHash {
  const start = reader.offset
  const algorithm = reader.enter(TAG.sequence)
  const oid = algorithm.oid()
  if (!algorithm.atEnd()) algorithm.null()
  algorithm.finish()
  const name = NAMES.find((candidate) => CERT_ID_HASHES[candidate] === oid)
  if (name === undefined) throw derFault('DER_OID', start)
  return name
}

export function encodeCertId({ hash: algorithm, issuerNameHash, issuerKeyHash, serial }: CertId): Bytes {
  return sequence(
    ALGORITHMS[algorithm],
    tlv(TAG.octetString, issuerNameHash),
    tlv(TAG.octetString, issuerKeyHash),
    tlv(TAG.integer, serial),
  )
}
