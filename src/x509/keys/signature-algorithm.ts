import { toHex, type Bytes } from '#kernel/bytes.ts'
import { oidElement, sequence, tlv } from '../der/build.ts'
import type { DerReader } from '../der/reader.ts'
import { TAG } from '../der/tags.ts'

/**
 * Signature algorithms of certificates and requests as data: a superset of the kernel's, since what others sign is
 * read too. In X.509 the hash is not bound to the curve. `parameters` is what RFC 5758 section 3.2 and RFC 4055
 * section 5 require: absent for ECDSA, NULL for RSA.
 */
export const X509_SIGNATURE_ALGORITHMS = {
  ES256: { oid: '1.2.840.10045.4.3.2', hash: 'sha256', keyType: 'EC' },
  ES384: { oid: '1.2.840.10045.4.3.3', hash: 'sha384', keyType: 'EC' },
  ES512: { oid: '1.2.840.10045.4.3.4', hash: 'sha512', keyType: 'EC' },
  RS256: { oid: '1.2.840.113549.1.1.11', hash: 'sha256', keyType: 'RSA' },
  RS384: { oid: '1.2.840.113549.1.1.12', hash: 'sha384', keyType: 'RSA' },
  RS512: { oid: '1.2.840.113549.1.1.13', hash: 'sha512', keyType: 'RSA' },
} as const

export type X509SignatureAlgorithm = keyof typeof X509_SIGNATURE_ALGORITHMS

const NULL_PARAMETERS = tlv(TAG.null)

const NAMES = Object.keys(X509_SIGNATURE_ALGORITHMS) as X509SignatureAlgorithm[]

const ENCODINGS = new Map(NAMES.map((name) => [name, encode(name)]))
const NAME_OF_ENCODING = new Map(NAMES.map((name) => [toHex(encode(name)), name]))
const NAME_OF_OID = new Map<string, X509SignatureAlgorithm>(
  NAMES.map((name) => [X509_SIGNATURE_ALGORITHMS[name].oid, name]),
)

function encode(name: X509SignatureAlgorithm): Bytes {
  const { oid, keyType } = X509_SIGNATURE_ALGORITHMS[name]
  return keyType === 'RSA' ? sequence(oidElement(oid), NULL_PARAMETERS) : sequence(oidElement(oid))
}

/** The AlgorithmIdentifier of an algorithm. */
export function encodeAlgorithm(name: X509SignatureAlgorithm): Bytes {
  return ENCODINGS.get(name) ?? encode(name)
}

export interface AlgorithmIdentifier {
  readonly oid: string
  /** Absent for an algorithm that is not accepted. */
  readonly name: X509SignatureAlgorithm | undefined
  /** The whole AlgorithmIdentifier. */
  readonly der: Bytes
  /** True when the identifier is one of ours with other parameters than its standard allows. */
  readonly wrongParameters: boolean
}

/** AlgorithmIdentifier of any algorithm; only those of the table get a name. */
export function readAlgorithm(reader: DerReader): AlgorithmIdentifier {
  const identifier = reader.fork()
  const der = reader.element(TAG.sequence)
  const known = NAME_OF_ENCODING.get(toHex(der))
  if (known !== undefined) {
    return { oid: X509_SIGNATURE_ALGORITHMS[known].oid, name: known, der, wrongParameters: false }
  }
  const oid = identifier.enter(TAG.sequence).oid()
  return { oid, name: undefined, der, wrongParameters: NAME_OF_OID.has(oid) }
}
