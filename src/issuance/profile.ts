import { DAY, MINUTE, SECOND, type Milliseconds } from '#kernel/instant.ts'
import type { TrustDomain } from '#spiffe/index.ts'
import { ATTESTATION_OID, type Extension, type KeyUsage, type Purpose } from '#x509/index.ts'
import { issuanceError } from './errors.ts'

/** What this server issues under, from its configuration. `issuanceProfile` makes one. */
export interface IssuanceProfile {
  readonly trustDomain: TrustDomain
  /** First octet of every serial, 1 to 127: two replicas never share one. */
  readonly serialPrefix: number
  /** `iss` of task tokens, without a trailing slash; that of JWT-SVIDs is `<publicUrl>/spiffe`. */
  readonly publicUrl: string
  /** Where CRLs, OCSP and authority certificates are served; null puts no such extension into certificates. */
  readonly statusUrl: string | null
  readonly crlShards: number
  /** DNS names of the server itself, which no SVID may carry. */
  readonly serverNames: readonly string[]
  readonly nameConstraints: boolean
  /** Of the private extension that says what is known of the attestation. */
  readonly attestationOid: string
}

const MAX_SHARDS = 1024
const DEFAULT_SHARDS = 32

/** Unset: no status endpoints, 32 shards, no name constraints. */
export type IssuanceProfileFields = Pick<
  IssuanceProfile,
  'trustDomain' | 'serialPrefix' | 'publicUrl' | 'serverNames'
> &
  Partial<Pick<IssuanceProfile, 'statusUrl' | 'crlShards' | 'nameConstraints' | 'attestationOid'>>

/** @throws PROFILE_INVALID */
export function issuanceProfile(fields: IssuanceProfileFields): IssuanceProfile {
  const { statusUrl = null, crlShards = DEFAULT_SHARDS, nameConstraints = false } = fields
  const { attestationOid = ATTESTATION_OID } = fields
  refuseUnless(isWithin(fields.serialPrefix, 1, 0x7f), 'serialPrefix')
  refuseUnless(isWithin(crlShards, 1, MAX_SHARDS), 'crlShards')
  refuseUnless(isBase(fields.publicUrl, ['https:', 'http:']), 'publicUrl')
  // CRLs and OCSP answers are signed; fetching them over https would need the very check that they serve.
  refuseUnless(statusUrl === null || isBase(statusUrl, ['http:']), 'statusUrl')
  refuseUnless(!nameConstraints || isPlainDnsName(fields.trustDomain.name), 'nameConstraints')
  refuseUnless(/^[0-2](?:\.(?:0|[1-9]\d*)){2,}$/.test(attestationOid), 'attestationOid')
  return { ...fields, statusUrl, crlShards, nameConstraints, attestationOid }
}

function refuseUnless(valid: boolean, field: string): void {
  if (!valid) throw issuanceError('PROFILE_INVALID', { details: { field } })
}

function isWithin(value: number, least: number, most: number): boolean {
  return Number.isInteger(value) && value >= least && value <= most
}

function isBase(url: string, protocols: readonly string[]): boolean {
  return URL.canParse(url) && protocols.includes(new URL(url).protocol) && !url.endsWith('/')
}

/** URI name constraints hold a host (RFC 5280 section 4.2.1.10); many trust domains are none. */
function isPlainDnsName(name: string): boolean {
  return /^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?$/.test(name)
}

/** One kind of certificate as data; what builds it and what judges it both read this. */
export interface CertificateProfile {
  readonly name: 'svid' | 'server' | 'canary' | 'ocsp' | 'authority' | 'issuing' | 'root' | 'cross'
  readonly authority: boolean
  /** Whether a subject names it, unique by its serial number. */
  readonly subject: boolean
  readonly keyUsages: readonly KeyUsage[]
  readonly purposes: readonly Purpose[]
  /** Of an authority: how many may follow below it; null for no limit. */
  readonly pathLength: number | null
  readonly leastLifetime: Milliseconds
  readonly mostLifetime: Milliseconds
  /** How far notBefore may lie back; less where that would be more than a tenth of the life. */
  readonly backdate: Milliseconds
  /** Which extensions it may carry. */
  readonly extensions: readonly Exclude<Extension['kind'], 'other'>[]
}

const LEAF = {
  authority: false,
  subject: false,
  keyUsages: ['digitalSignature'],
  purposes: ['serverAuth', 'clientAuth'],
  pathLength: null,
  leastLifetime: MINUTE,
  mostLifetime: DAY,
  backdate: 60 * SECOND,
  extensions: [
    'basicConstraints',
    'keyUsage',
    'extKeyUsage',
    'subjectAltName',
    'authorityKeyIdentifier',
    'subjectKeyIdentifier',
    'crlDistributionPoints',
    'authorityInfoAccess',
  ],
} as const satisfies Omit<CertificateProfile, 'name'>

const AUTHORITY = {
  authority: true,
  subject: true,
  keyUsages: ['keyCertSign', 'cRLSign'],
  purposes: [],
  pathLength: 0,
  leastLifetime: MINUTE,
  mostLifetime: 30 * DAY,
  backdate: 60 * SECOND,
  extensions: [
    'basicConstraints',
    'keyUsage',
    'subjectAltName',
    'authorityKeyIdentifier',
    'subjectKeyIdentifier',
    'nameConstraints',
    'crlDistributionPoints',
  ],
} as const satisfies Omit<CertificateProfile, 'name'>

export const PROFILES = {
  svid: { name: 'svid', ...LEAF, extensions: [...LEAF.extensions, 'writAttestation'] },
  server: { name: 'server', ...LEAF },
  canary: { name: 'canary', ...LEAF, mostLifetime: 5 * MINUTE },
  /** A responder to which the issuer has delegated: its short life stands in for a check of its own status (O4, O5). */
  ocsp: {
    name: 'ocsp',
    ...LEAF,
    subject: true,
    purposes: ['ocspSigning'],
    mostLifetime: 7 * DAY,
    extensions: [
      'basicConstraints',
      'keyUsage',
      'extKeyUsage',
      'authorityKeyIdentifier',
      'subjectKeyIdentifier',
      'ocspNoCheck',
    ],
  },
  authority: { name: 'authority', ...AUTHORITY },
  /** Signed by a root that is opened by a ceremony only (decision 0012): it lives from one ceremony to the next. */
  issuing: { name: 'issuing', ...AUTHORITY, mostLifetime: 400 * DAY },
  root: { name: 'root', ...AUTHORITY, pathLength: null, mostLifetime: 3650 * DAY },
  /** A root as another root has signed it: one issuing authority may follow. */
  cross: { name: 'cross', ...AUTHORITY, pathLength: 1, mostLifetime: 3650 * DAY },
} as const satisfies Record<string, CertificateProfile>
