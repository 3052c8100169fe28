import { createPublicKey, generateKeyPairSync, sign, type KeyObject } from 'node:crypto'
import type { SignatureAlgorithm } from '#kernel/algorithms.ts'
import type { Bytes } from '#kernel/bytes.ts'
import { after, DAY, HOUR, instant, type Instant } from '#kernel/instant.ts'
import type { Signer } from '#kernel/signer.ts'
import {
  assembleCertificate,
  encodeName,
  encodeTbs,
  EMPTY_NAME,
  parseCertificate,
  parsePublicKey,
  PURPOSE,
  type Certificate,
  type Extension,
  type GeneralName,
  type KeyUsage,
  type PublicKey,
  type TbsTemplate,
} from '#x509/index.ts'

export const X509_NOW: Instant = instant(1_797_840_000_000)
export const LEAF_ID = 'spiffe://example.org/agent/invoice-bot/i-7f3a'

/** A real key pair, in the forms in which certificates want it. */
export interface KeyPair {
  readonly algorithm: SignatureAlgorithm
  readonly privateKey: KeyObject
  readonly publicKey: PublicKey
  readonly signer: Signer
}

const HASH = { ES256: 'sha256', ES384: 'sha384', RS256: 'sha256' } as const

function generate(algorithm: SignatureAlgorithm): KeyObject {
  if (algorithm === 'RS256') return generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
  return generateKeyPairSync('ec', { namedCurve: algorithm === 'ES256' ? 'P-256' : 'P-384' }).privateKey
}

export function spkiOf(privateKey: KeyObject): Bytes {
  return new Uint8Array(createPublicKey(privateKey).export({ format: 'der', type: 'spki' }))
}

export function newKeyPair(algorithm: SignatureAlgorithm = 'ES256', privateKey = generate(algorithm)): KeyPair {
  const publicKey = parsePublicKey(spkiOf(privateKey))
  const signNow = (message: Bytes) => new Uint8Array(sign(HASH[algorithm], message, privateKey))
  const signer: Signer = {
    algorithm,
    publicKey: publicKey.spki,
    sign: (message) => Promise.resolve(signNow(message)),
  }
  return { algorithm, privateKey, publicKey, signer }
}

export function signWith(key: KeyPair, message: Bytes): Bytes {
  return new Uint8Array(sign(HASH[key.algorithm], message, key.privateKey))
}

/** Encodes a template, signs it and puts the certificate together, as issuance does. */
export function certify(template: TbsTemplate, issuerKey: KeyPair): Bytes {
  const tbs = encodeTbs(template)
  return assembleCertificate(tbs, issuerKey.algorithm, signWith(issuerKey, tbs))
}

export const basicConstraints = (ca: boolean, pathLength?: number): Extension => ({
  kind: 'basicConstraints',
  critical: true,
  ca,
  pathLength,
})
export const keyUsage = (...usages: KeyUsage[]): Extension => ({ kind: 'keyUsage', critical: true, usages })
export const extKeyUsage = (...purposes: string[]): Extension => ({ kind: 'extKeyUsage', critical: false, purposes })
export const altName = (...names: GeneralName[]): Extension => ({ kind: 'subjectAltName', critical: true, names })
export const uri = (value: string): GeneralName => ({ type: 'uri', value })
export const dns = (value: string): GeneralName => ({ type: 'dns', value })
export const ip = (...octets: number[]): GeneralName => ({ type: 'ip', value: new Uint8Array(octets) })
export const email = (value: string): GeneralName => ({ type: 'email', value })
export const directory = (value: Bytes): GeneralName => ({ type: 'directory', value })
export const authorityKey = (key: PublicKey): Extension => ({
  kind: 'authorityKeyIdentifier',
  critical: false,
  keyIdentifier: key.keyIdentifier,
  issuerAndSerial: undefined,
})
export const subjectKey = (key: PublicKey): Extension => ({
  kind: 'subjectKeyIdentifier',
  critical: false,
  keyIdentifier: key.keyIdentifier,
})
export const nameConstraints = (permitted: GeneralName[], excluded: GeneralName[] = []): Extension => ({
  kind: 'nameConstraints',
  critical: true,
  permitted,
  excluded,
})

/** The extensions with those of the same kind replaced, and those named in `without` left out. */
export function withExtensions(
  extensions: readonly Extension[],
  replace: readonly Extension[],
  without: readonly Extension['kind'][] = [],
): readonly Extension[] {
  const kept = extensions.filter(({ kind }) => !without.includes(kind) && !replace.some((other) => other.kind === kind))
  return [...kept, ...replace]
}

let serials = 0

function nextSerial(): Bytes {
  serials++
  return new Uint8Array([1, (serials >> 8) & 0xff, serials & 0xff])
}

export interface Changes {
  readonly template?: Partial<TbsTemplate>
  readonly extensions?: readonly Extension[]
  readonly without?: readonly Extension['kind'][]
}

/** An authority that certifies: leaves, other authorities, and whatever a test wants to get wrong. */
export class TestAuthority {
  readonly key: KeyPair
  readonly certificate: Certificate

  private constructor(key: KeyPair, certificate: Certificate) {
    this.key = key
    this.certificate = certificate
  }

  static root(name = 'Root', changes: Changes = {}, key = newKeyPair()): TestAuthority {
    const template = authorityTemplate(name, key, { key, subject: encodeName({ commonName: name }) }, changes)
    return new TestAuthority(key, parseCertificate(certify(template, key)))
  }

  /** A subordinate authority, or another certificate for the same `key`. */
  authority(name = 'Issuing', changes: Changes = {}, key = newKeyPair()): TestAuthority {
    const template = authorityTemplate(name, key, { key: this.key, subject: this.certificate.subject }, changes)
    return new TestAuthority(key, parseCertificate(certify(template, this.key)))
  }

  leafTemplate(changes: Changes = {}, key: PublicKey = LEAF_KEY.publicKey): TbsTemplate {
    return {
      serial: nextSerial(),
      signatureAlgorithm: this.key.algorithm,
      issuer: this.certificate.subject,
      notBefore: X509_NOW,
      notAfter: after(X509_NOW, HOUR),
      subject: EMPTY_NAME,
      subjectPublicKey: key.spki,
      ...changes.template,
      extensions: withExtensions(
        [
          keyUsage('digitalSignature'),
          extKeyUsage(PURPOSE.serverAuth, PURPOSE.clientAuth),
          basicConstraints(false),
          authorityKey(this.key.publicKey),
          subjectKey(key),
          altName(uri(LEAF_ID)),
        ],
        changes.extensions ?? [],
        changes.without,
      ),
    }
  }

  leafDer(changes: Changes = {}, key: PublicKey = LEAF_KEY.publicKey): Bytes {
    return certify(this.leafTemplate(changes, key), this.key)
  }

  leaf(changes: Changes = {}, key: PublicKey = LEAF_KEY.publicKey): Certificate {
    return parseCertificate(this.leafDer(changes, key))
  }
}

/** One key for all leaves of a test file: making keys is the slowest thing here. */
export const LEAF_KEY = newKeyPair()

function authorityTemplate(
  name: string,
  key: KeyPair,
  issuer: { key: KeyPair; subject: Bytes },
  changes: Changes,
): TbsTemplate {
  const selfSigned = key === issuer.key
  return {
    serial: nextSerial(),
    signatureAlgorithm: issuer.key.algorithm,
    issuer: issuer.subject,
    notBefore: instant(X509_NOW - DAY),
    notAfter: after(X509_NOW, 30 * DAY),
    subject: encodeName({ commonName: name }),
    subjectPublicKey: key.publicKey.spki,
    ...changes.template,
    extensions: withExtensions(
      [
        basicConstraints(true),
        keyUsage('keyCertSign', 'cRLSign'),
        subjectKey(key.publicKey),
        ...(selfSigned ? [] : [authorityKey(issuer.key.publicKey)]),
      ],
      changes.extensions ?? [],
      changes.without,
    ),
  }
}
