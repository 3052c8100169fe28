import { PROFILES } from '#issuance/index.ts'
import { brokenRules } from '#issuance/lint/lint.ts'
import type { Expected } from '#issuance/lint/rule.ts'
import type { Bytes } from '#kernel/bytes.ts'
import { after, DAY, HOUR, SECOND } from '#kernel/instant.ts'
import {
  ATTESTATION_OID,
  encodeName,
  EMPTY_NAME,
  parseCertificate,
  PURPOSE,
  type Extension,
  type TbsTemplate,
} from '#x509/index.ts'
import { certify, newKeyPair, X509_NOW as NOW } from './x509.ts'

export const ISSUER = newKeyPair()
export const SUBJECT = newKeyPair()
export const OTHER = newKeyPair()
export const ISSUER_NAME = encodeName({ organization: 'Writ', commonName: 'example.org', serialNumber: '01' })
export const SERIAL = new Uint8Array(18).fill(7)
export const URI = 'spiffe://example.org/agent/bot/i-1'
export const STATUS = {
  crl: 'http://status.example.org/crl/a/1.crl',
  online: { ocsp: 'http://status.example.org/ocsp', caIssuers: 'http://status.example.org/ca/a.cer' },
}

export const LEAF: Expected = {
  profile: PROFILES.svid,
  issuer: {
    name: ISSUER_NAME,
    keyIdentifier: ISSUER.publicKey.keyIdentifier,
    algorithm: 'ES256',
    notAfter: after(NOW, DAY),
  },
  subject: null,
  serialPrefix: 7,
  issuedAt: NOW,
  trustDomain: 'example.org',
  spiffeId: URI,
  dnsNames: ['bot.internal'],
  ipAddresses: [],
  reservedNames: ['id.example.org'],
  publicKey: SUBJECT.publicKey.spki,
  attestation: {
    keyClass: 'tpm',
    keyClassSource: 'attested',
    attestor: 'tpm',
    evidenceDigest: new Uint8Array(32).fill(1),
  },
  attestationOid: ATTESTATION_OID,
  status: STATUS,
  permittedUriHost: null,
}

export const leafExtensions = (): Extension[] => [
  { kind: 'basicConstraints', critical: true, ca: false, pathLength: undefined },
  { kind: 'keyUsage', critical: true, usages: ['digitalSignature'] },
  { kind: 'extKeyUsage', critical: false, purposes: [PURPOSE.serverAuth, PURPOSE.clientAuth] },
  {
    kind: 'subjectAltName',
    critical: true,
    names: [
      { type: 'uri', value: URI },
      { type: 'dns', value: 'bot.internal' },
    ],
  },
  keyIdentifierOf(ISSUER.publicKey.keyIdentifier),
  { kind: 'subjectKeyIdentifier', critical: false, keyIdentifier: SUBJECT.publicKey.keyIdentifier },
  { kind: 'crlDistributionPoints', critical: false, uris: [STATUS.crl] },
  {
    kind: 'authorityInfoAccess',
    critical: false,
    accesses: [
      { method: 'ocsp', uri: STATUS.online.ocsp },
      { method: 'caIssuers', uri: STATUS.online.caIssuers },
    ],
  },
  {
    kind: 'writAttestation',
    critical: false,
    issuedAt: NOW,
    keyClass: 'tpm',
    keyClassSource: 'attested',
    attestor: 'tpm',
    evidenceDigest: new Uint8Array(32).fill(1),
  },
]

export function keyIdentifierOf(keyIdentifier: Bytes): Extension {
  return { kind: 'authorityKeyIdentifier', critical: false, keyIdentifier, issuerAndSerial: undefined }
}

export function leaf(changes: Partial<TbsTemplate> = {}): TbsTemplate {
  return {
    serial: SERIAL,
    signatureAlgorithm: 'ES256',
    issuer: ISSUER_NAME,
    notBefore: after(NOW, -60 * SECOND),
    notAfter: after(NOW, HOUR),
    subject: EMPTY_NAME,
    subjectPublicKey: SUBJECT.publicKey.spki,
    extensions: leafExtensions(),
    ...changes,
  }
}

/** The template with one extension replaced, or left out. */
export function with_(kind: Extension['kind'], replacement: Partial<Extension> | null): TbsTemplate {
  const extensions = leafExtensions().flatMap((extension) => {
    if (extension.kind !== kind) return [extension]
    return replacement === null ? [] : [{ ...extension, ...replacement } as Extension]
  })
  return leaf({ extensions })
}

export const added = (extension: Extension): TbsTemplate => leaf({ extensions: [...leafExtensions(), extension] })
export const names = (...list: readonly (readonly ['uri' | 'dns', string])[]) =>
  with_('subjectAltName', { names: list.map(([type, value]) => ({ type, value })) })
export const ours: readonly ['uri', string] = ['uri', URI]

export function broken(template: TbsTemplate, expected: Expected = LEAF): readonly string[] {
  return brokenRules(parseCertificate(certify(template, ISSUER)), expected)
}
