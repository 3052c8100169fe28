import { parseJson, type JsonObject } from '#kernel/json.ts'
import type { Instant } from '#kernel/instant.ts'
import type { Secret } from '#kernel/secret.ts'
import { decodeBundle, type SpiffeId, type Bundle } from '#spiffe/index.ts'
import { equal, type Bytes } from '#kernel/bytes.ts'
import { fromPemList, parseCertificate, type Certificate } from '#x509/index.ts'
import { clientError } from './errors.ts'
import type { IdentityKey } from './identity-key.ts'

/** What an instance holds once it is enrolled. The key was made here and never left. */
export interface Identity {
  /** Origin of the server, `https://host:port`. */
  readonly server: string
  readonly spiffeId: SpiffeId
  readonly instance: string
  readonly key: IdentityKey
  /** Leaf first. */
  readonly chainPem: string
  /** The SPIFFE bundle document as the server gave it. */
  readonly bundleJson: string
  /** For the same key, where that is in hardware and cannot enter TLS. */
  readonly witSvid: Secret<string> | null
  readonly serial: string
  readonly notBefore: Instant
  readonly notAfter: Instant
  /** When the server would like it renewed; the keeper draws its own moment around it. */
  readonly renewAt: Instant
}

/** The X.509 anchors of an identity's own trust domain. */
export function anchorsOf(identity: Pick<Identity, 'spiffeId' | 'bundleJson'>): readonly Certificate[] {
  return bundleOf(identity).x509Authorities.map((der) => parseCertificate(der))
}

export function bundleOf(identity: Pick<Identity, 'spiffeId' | 'bundleJson'>): Bundle {
  return decodeBundle(identity.spiffeId.trustDomain, identity.bundleJson)
}

/** @throws SERVER_ANSWER_INVALID unless `pem` begins with a certificate for `key` whose one URI is `spiffeId` */
export function leafOf(pem: string, spiffeId: SpiffeId, key: Bytes): Certificate {
  const der = fromPemList('CERTIFICATE', pem)[0]
  if (der === undefined) throw clientError('SERVER_ANSWER_INVALID', { message: 'no certificate in the answer' })
  const leaf = parseCertificate(der)
  const uris = (leaf.extension('subjectAltName')?.names ?? []).filter((name) => name.type === 'uri')
  if (uris.length !== 1 || uris[0]?.value !== spiffeId.toString()) {
    throw clientError('SERVER_ANSWER_INVALID', { message: 'the certificate names somebody else' })
  }
  if (!equal(leaf.publicKey.spki, key)) {
    throw clientError('SERVER_ANSWER_INVALID', { message: 'the certificate is for another key' })
  }
  return leaf
}

export function asObject(text: string): JsonObject {
  const value = parseJson(text, { maxBytes: 1024 * 1024, maxDepth: 16 })
  if (value === null || typeof value !== 'object' || Array.isArray(value)) throw clientError('SERVER_ANSWER_INVALID')
  return value as JsonObject
}
