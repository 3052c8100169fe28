import type { SigningAuthority } from '#authority/index.ts'
import { equal, toHex, type Bytes } from '#kernel/bytes.ts'
import { sha256Hex } from '#kernel/digest.ts'
import type { Instant, Milliseconds } from '#kernel/instant.ts'
import type { Random } from '#kernel/random.ts'
import { assembleCertificate, EMPTY_NAME, encodeName, encodeTbs, type PublicKey } from '#x509/index.ts'
import { issuanceError } from './errors.ts'
import { issuedOf, type Issued } from './issued.ts'
import { lintTbs, readSigned } from './lint/lint.ts'
import type { AttestationFacts, Expected, IssuerFacts, StatusUris } from './lint/rule.ts'
import { preparedOf, type Prepared } from './prepared.ts'
import type { CertificateProfile, IssuanceProfile } from './profile.ts'
import type { CertificateRecord } from './records.ts'
import { newSerial, shardOf } from './serial.ts'
import { templateOf } from './template.ts'
import { validityOf, type Validity } from './validity.ts'

/** A certificate that is ready to be recorded and then signed. */
export interface PreparedCertificate {
  readonly prepared: Prepared<Issued>
  /** The row in state `intent`, to be stored before anything is signed. */
  readonly record: CertificateRecord
  /** Whether the authority's end came before the life that was asked for. */
  readonly lifetimeCut: boolean
}

/** What every certificate is made from; the `prepare…` functions fill it. */
export interface CertificatePlan {
  readonly kind: CertificateRecord['kind']
  readonly profile: CertificateProfile
  readonly issuance: IssuanceProfile
  /** Who signs; the subject itself when `selfSigned`. */
  readonly signer: SigningAuthority
  readonly selfSigned?: boolean
  readonly publicKey: PublicKey
  /** Null for what is known by its subject only. */
  readonly spiffeId: string | null
  readonly dnsNames?: readonly string[]
  readonly ipAddresses?: readonly Bytes[]
  readonly attestation?: AttestationFacts
  readonly lifetime: Milliseconds
  readonly issuedAt: Instant
  readonly random: Random
  /** Of what has a subject; the trust domain where it is left out. */
  readonly name?: AuthorityName
  /** DER Name that the key has already, under another issuer; then `name` is not used. */
  readonly subject?: Bytes
  /** Where the CRL is found on which an authority would be; null or absent when nobody serves one. */
  readonly authorityCrl?: string | null
  /** What the row says beside the certificate. */
  readonly about?: Pick<CertificateRecord, 'agent' | 'instance' | 'lineage' | 'renewed' | 'idempotencyKey'>
}

/** What a subject says beside its serial number. */
export interface AuthorityName {
  readonly organization?: string | undefined
  readonly commonName?: string | undefined
}

/** Certificates of the server's own are no agent's. */
const NOBODY = { agent: null, instance: null, lineage: null, renewed: null, idempotencyKey: null }

/** @throws LINT_FAILED, LIFETIME_TOO_SHORT, SIGNER_MISMATCH */
export function prepareCertificate(plan: CertificatePlan): PreparedCertificate {
  const { issuance, signer, publicKey } = plan
  const serial = newSerial(issuance.serialPrefix, plan.random)
  const subject = plan.subject ?? (plan.profile.subject ? subjectName(plan, serial) : EMPTY_NAME)
  const issuer = plan.selfSigned === true ? selfIssuer(plan, subject) : issuerFacts(signer)
  const validity = validityOf({ ...plan, issuer: plan.selfSigned === true ? null : signer })
  const shard = shardOf(serial, issuance.crlShards)
  const expected = expectationOf(plan, issuer, shard)
  const tbs = encodeTbs(templateOf({ expected, serial, subject, publicKey, validity }))
  lintTbs(tbs, expected)
  const record = intentOf(plan, { serial, shard, tbsHash: sha256Hex(tbs), validity })
  const finish = (signature: Bytes): Issued => finishCertificate(tbs, signature, expected, record)
  const object = `certificate:${record.serial}`
  const prepared = preparedOf({ signer, message: tbs, hash: record.tbsHash, commitment: 'tbs', object, finish })
  return { prepared, record, lifetimeCut: validity.cut }
}

/** Reads what will leave, as a stranger would, and lets it out only when it is octet for octet what was judged. */
function finishCertificate(tbs: Bytes, signature: Bytes, expected: Expected, record: CertificateRecord): Issued {
  const der = assembleCertificate(tbs, expected.issuer.algorithm, signature)
  const certificate = readSigned(der, expected)
  if (!equal(certificate.tbs, tbs)) {
    throw issuanceError('SIGNED_OTHER_BYTES', { details: { serial: record.serial } })
  }
  return issuedOf(certificate, record)
}

/** Unique by its serial number: verifiers that chain by name try every authority of the same name (spire#4415). */
function subjectName({ issuance, name = {} }: CertificatePlan, serial: Bytes): Bytes {
  const { organization = 'Writ', commonName = issuance.trustDomain.name.slice(0, 64) } = name
  return encodeName({ organization, commonName, serialNumber: toHex(serial) })
}

function issuerFacts(signer: SigningAuthority): IssuerFacts {
  const { certificate, algorithm, authorityId } = signer
  if (certificate === null) throw issuanceError('SIGNER_MISMATCH', { details: { authority: authorityId } })
  const { subject, publicKey, notAfter } = certificate
  return { name: subject, keyIdentifier: publicKey.keyIdentifier, algorithm, notAfter }
}

function selfIssuer({ signer, publicKey }: CertificatePlan, name: Bytes): IssuerFacts {
  if (!equal(signer.publicKey.spki, publicKey.spki)) throw issuanceError('SIGNER_MISMATCH')
  return { name, keyIdentifier: publicKey.keyIdentifier, algorithm: signer.algorithm, notAfter: null }
}

function expectationOf(plan: CertificatePlan, issuer: IssuerFacts, shard: number): Expected {
  const { profile, issuance, kind } = plan
  return {
    profile,
    issuer,
    subject: plan.subject ?? null,
    serialPrefix: issuance.serialPrefix,
    issuedAt: plan.issuedAt,
    trustDomain: issuance.trustDomain.name,
    spiffeId: plan.spiffeId,
    dnsNames: plan.dnsNames ?? [],
    ipAddresses: plan.ipAddresses ?? [],
    reservedNames: kind === 'server' ? [] : issuance.serverNames,
    publicKey: plan.publicKey.spki,
    attestation: plan.attestation ?? null,
    attestationOid: issuance.attestationOid,
    status: statusOf(plan, shard),
    permittedUriHost: profile.pathLength === 0 && issuance.nameConstraints ? issuance.trustDomain.name : null,
  }
}

function statusOf(plan: CertificatePlan, shard: number): StatusUris | null {
  const { profile, issuance, signer } = plan
  if (profile.authority) return authorityStatus(plan)
  return profile.extensions.includes('authorityInfoAccess') ? statusUris(issuance, signer.authorityId, shard) : null
}

function authorityStatus({ authorityCrl = null }: CertificatePlan): StatusUris | null {
  return authorityCrl === null ? null : { crl: authorityCrl, online: null }
}

function statusUris({ statusUrl }: IssuanceProfile, authority: string, shard: number): StatusUris | null {
  if (statusUrl === null) return null
  return {
    crl: `${statusUrl}/crl/${authority}/${shard.toString()}.crl`,
    online: { ocsp: `${statusUrl}/ocsp`, caIssuers: `${statusUrl}/ca/${authority}.cer` },
  }
}

interface Encoded {
  readonly serial: Bytes
  readonly shard: number
  readonly tbsHash: string
  readonly validity: Validity
}

function intentOf(plan: CertificatePlan, { serial, shard, tbsHash, validity }: Encoded): CertificateRecord {
  return {
    serial: toHex(serial),
    kind: plan.kind,
    der: null,
    authority: plan.signer.authorityId,
    spiffeId: plan.spiffeId,
    ...(plan.about ?? NOBODY),
    spkiHash: toHex(plan.publicKey.spkiHash),
    tbsHash,
    crlShard: shard,
    issuedAt: plan.issuedAt,
    notBefore: validity.notBefore,
    notAfter: validity.notAfter,
    state: 'intent',
    revokedAt: null,
    reason: null,
  }
}
