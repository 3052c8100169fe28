import type { Bytes } from '#kernel/bytes.ts'
import { PURPOSE, type Extension, type GeneralName, type PublicKey, type TbsTemplate } from '#x509/index.ts'
import type { Expected } from './lint/rule.ts'
import type { Validity } from './validity.ts'

export interface TemplateFields {
  readonly expected: Expected
  readonly serial: Bytes
  /** DER Name. */
  readonly subject: Bytes
  readonly publicKey: PublicKey
  readonly validity: Validity
}

/** One decision, one template: nothing here depends on anything but the arguments. */
export function templateOf({ expected, serial, subject, publicKey, validity }: TemplateFields): TbsTemplate {
  return {
    serial,
    signatureAlgorithm: expected.issuer.algorithm,
    issuer: expected.issuer.name,
    notBefore: validity.notBefore,
    notAfter: validity.notAfter,
    subject,
    subjectPublicKey: publicKey.spki,
    extensions: [...usages(expected), ...names(expected), ...keys(expected, publicKey), ...additions(expected)],
  }
}

function usages({ profile }: Expected): readonly Extension[] {
  const { authority, pathLength, keyUsages, purposes } = profile
  const basic = {
    kind: 'basicConstraints',
    critical: true,
    ca: authority,
    pathLength: pathLength ?? undefined,
  } as const
  const usage = { kind: 'keyUsage', critical: true, usages: keyUsages } as const
  if (purposes.length === 0) return [basic, usage]
  const oids = purposes.map((purpose) => PURPOSE[purpose])
  return [basic, usage, { kind: 'extKeyUsage', critical: false, purposes: oids }]
}

function names({ profile, spiffeId, dnsNames, ipAddresses }: Expected): readonly Extension[] {
  if (spiffeId === null) return []
  const list: readonly GeneralName[] = [
    { type: 'uri', value: spiffeId },
    ...dnsNames.map((value) => ({ type: 'dns', value }) as const),
    ...ipAddresses.map((value) => ({ type: 'ip', value }) as const),
  ]
  return [{ kind: 'subjectAltName', critical: !profile.authority, names: list }]
}

function keys({ issuer }: Expected, publicKey: PublicKey): readonly Extension[] {
  return [
    {
      kind: 'authorityKeyIdentifier',
      critical: false,
      keyIdentifier: issuer.keyIdentifier,
      issuerAndSerial: undefined,
    },
    { kind: 'subjectKeyIdentifier', critical: false, keyIdentifier: publicKey.keyIdentifier },
  ]
}

function additions(expected: Expected): readonly Extension[] {
  const { status, attestation, attestationOid: oid, issuedAt, permittedUriHost } = expected
  const list: Extension[] = []
  if (status !== null) {
    list.push({ kind: 'crlDistributionPoints', critical: false, uris: [status.crl] })
  }
  if (status !== null && status.online !== null) {
    const accesses = [
      { method: 'ocsp', uri: status.online.ocsp },
      { method: 'caIssuers', uri: status.online.caIssuers },
    ] as const
    list.push({ kind: 'authorityInfoAccess', critical: false, accesses })
  }
  if (attestation !== null) list.push({ kind: 'writAttestation', critical: false, oid, issuedAt, ...attestation })
  if (expected.profile.extensions.includes('ocspNoCheck')) list.push({ kind: 'ocspNoCheck', critical: false })
  if (permittedUriHost !== null) {
    const permitted = [{ type: 'uri', value: permittedUriHost }] as const
    list.push({ kind: 'nameConstraints', critical: true, permitted, excluded: [] })
  }
  return list
}
