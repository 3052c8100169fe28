import {
  renewalWindow,
  type AuthorityKind,
  type AuthorityRecord,
  type AuthoritySet,
  type AuthoritySource,
  type RenewalWindow,
} from '#authority/index.ts'
import type { CertificateRecord } from '#issuance/index.ts'
import { equal, toHex, type Bytes } from '#kernel/bytes.ts'
import { errorsOf, type ErrorTable } from '#kernel/errors.ts'
import { SECOND, type Milliseconds } from '#kernel/instant.ts'
import { credentialCutoffKeys } from '#revocation/index.ts'
import { parseCertificate } from '#x509/index.ts'
import type { Reader } from './ports.ts'

export const RENEWAL_INFO_ERRORS = {
  RENEWAL_INFO_NOT_FOUND: 'No certificate of this server has this authority key identifier and serial number.',
} as const satisfies ErrorTable

const renewalInfoError = errorsOf(RENEWAL_INFO_ERRORS)

export interface RenewalInfoPorts {
  readonly reader: Reader
  readonly authorities: AuthoritySource
}

export interface RenewalInfoRequest {
  readonly authorityKeyId: Bytes
  readonly serial: Bytes
}

export interface RenewalAdvice {
  readonly window: RenewalWindow
  /** When to ask again. */
  readonly askAgainIn: Milliseconds
}

const USUAL: Milliseconds = 300 * SECOND
/** While an authority is tainted, everybody should hear of it soon. */
const URGENT: Milliseconds = 30 * SECOND

/**
 * When a certificate is best renewed (RFC 9773 section 4). Anybody may ask: who has the certificate can compute the
 * name that it is asked by, and the answer says no more than a CRL does.
 * @throws RENEWAL_INFO_NOT_FOUND
 */
export async function renewalInfo(ports: RenewalInfoPorts, asked: RenewalInfoRequest): Promise<RenewalAdvice> {
  const current = ports.authorities.current()
  // 1. The certificate, by both halves of its name, and who signed it.
  const { certificate, authority } = await find(ports, asked)
  // 2. When it is best renewed, by its life, its authority and its own state.
  const { serial, notBefore, notAfter } = certificate
  const active = current.records.find(({ kind, state }) => kind === 'x509' && state === 'active')
  const window = renewalWindow({
    serial,
    life: { notBefore, notAfter },
    isRevoked: certificate.state === 'revoked' || (await isCutOff(ports, certificate)),
    authority,
    activeSince: active?.activatedAt ?? null,
  })
  return { window, askAgainIn: hasTainted(current) ? URGENT : USUAL }
}

interface Found {
  readonly certificate: CertificateRecord
  readonly authority: AuthorityRecord
}

/** @throws RENEWAL_INFO_NOT_FOUND, also for one that was never handed out */
async function find({ reader, authorities }: RenewalInfoPorts, asked: RenewalInfoRequest): Promise<Found> {
  const certificate = await reader.find('Certificate', { serial: toHex(asked.serial), kind: 'svid' })
  if (certificate?.state !== 'issued' && certificate?.state !== 'revoked') {
    throw renewalInfoError('RENEWAL_INFO_NOT_FOUND')
  }
  const authority = authorities.current().find(certificate.authority)
  const isBoth = authority?.certificate != null && equal(keyIdOf(authority.certificate), asked.authorityKeyId)
  if (authority === null || !isBoth) throw renewalInfoError('RENEWAL_INFO_NOT_FOUND')
  return { certificate, authority }
}

const keyIds = new WeakMap<Bytes, Bytes>()

/** Of an authority's certificate, whose bytes are the same object for as long as nothing about it changes. */
function keyIdOf(certificate: Bytes): Bytes {
  const known = keyIds.get(certificate)
  if (known !== undefined) return known
  const keyId = parseCertificate(certificate).extension('subjectKeyIdentifier')?.keyIdentifier ?? new Uint8Array()
  keyIds.set(certificate, keyId)
  return keyId
}

async function isCutOff({ reader, authorities }: RenewalInfoPorts, certificate: CertificateRecord): Promise<boolean> {
  const instance = certificate.instance === null ? null : await reader.find('Instance', { id: certificate.instance })
  if (instance === null) return true
  const trustDomain = authorities.current().trustDomain.name
  const keys = credentialCutoffKeys({ trustDomain, certificate, instance })
  return (await reader.find('Cutoff', { key: { in: keys }, before: { gt: certificate.issuedAt } })) !== null
}

/** Of those kinds that stand in the bundle, and sign what agents hold or present. */
const OF_AGENTS: readonly AuthorityKind[] = ['x509', 'x509-root', 'wit-svid', 'jwt-svid']

function hasTainted({ records }: AuthoritySet): boolean {
  return records.some(({ kind, state }) => OF_AGENTS.includes(kind) && state === 'tainted')
}
