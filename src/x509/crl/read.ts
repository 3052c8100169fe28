import type { Bytes } from '#kernel/bytes.ts'
import type { Instant } from '#kernel/instant.ts'
import { rethrowAs } from '../der/fault.ts'
import { DerReader } from '../der/reader.ts'
import { contextConstructed, TAG } from '../der/tags.ts'
import { readTime } from '../der/time.ts'
import { x509Error } from '../errors.ts'
import { decodeExtension, readRawExtensions, type RawExtension } from '../extensions/read.ts'
import { readAlgorithm, type AlgorithmIdentifier } from '../keys/signature-algorithm.ts'
import { readName } from '../name.ts'
import { OID } from '../oids.ts'
import { isSerial } from '../serial.ts'
import { readScope } from './extensions.ts'
import { LINES_AT_ONCE, type Steps } from './steps.ts'
import {
  REVOCATION_REASONS,
  type CrlLimits,
  type CrlScope,
  type RevocationReason,
  type RevokedCertificate,
} from './types.ts'

export interface CrlParts {
  readonly tbs: Bytes
  readonly signatureAlgorithm: AlgorithmIdentifier
  readonly signature: Bytes
  readonly issuer: Bytes
  readonly thisUpdate: Instant
  readonly nextUpdate: Instant
  readonly entries: readonly RevokedCertificate[]
  readonly authorityKeyIdentifier: Bytes
  readonly number: bigint
  readonly scope: CrlScope | undefined
}

const V2 = 1
const MAX_EXTENSIONS = 16
const MAX_NUMBER_OCTETS = 20

/** The structure first, whole; then what it holds. Throws what `parseCrl` promises. */
export function* readCrl(der: Bytes, limits: CrlLimits): Steps<CrlParts> {
  if (der.length > limits.maxBytes) throw x509Error('CRL_TOO_LARGE', { details: { length: der.length } })
  try {
    const outer = DerReader.of(der)
    const list = outer.enter(TAG.sequence)
    outer.finish()
    const tbs = list.element(TAG.sequence)
    const signatureAlgorithm = readAlgorithm(list)
    const signature = list.octetBits()
    list.finish()
    return { tbs, signatureAlgorithm, signature, ...(yield* readTbs(tbs, signatureAlgorithm, limits)) }
  } catch (error) {
    rethrowAs('CRL_MALFORMED', error)
  }
}

type TbsParts = Omit<CrlParts, 'tbs' | 'signatureAlgorithm' | 'signature'>

function* readTbs(der: Bytes, outer: AlgorithmIdentifier, limits: CrlLimits): Steps<TbsParts> {
  const tbs = DerReader.of(der).enter(TAG.sequence)
  readVersion(tbs)
  const inner = readAlgorithm(tbs)
  if (outer.wrongParameters || Buffer.compare(outer.der, inner.der) !== 0) throw x509Error('CRL_ALGORITHM')
  const issuer = readName(tbs)
  if (issuer.relativeNames.length === 0) throw x509Error('CRL_ISSUER')
  const thisUpdate = readTime(tbs)
  const nextUpdate = readNextUpdate(tbs, thisUpdate)
  const hasEntries = tbs.nextTag === TAG.sequence
  const entries = hasEntries ? yield* readEntries(tbs.enter(TAG.sequence), thisUpdate, limits) : []
  const wrapper = tbs.enter(contextConstructed(0))
  const extensions = readRawExtensions(wrapper, MAX_EXTENSIONS)
  wrapper.finish()
  tbs.finish()
  return { issuer: issuer.der, thisUpdate, nextUpdate, entries, ...readExtensions(extensions) }
}

/** R1: absent means version 1, which has no extensions and so cannot say what it covers. */
function readVersion(tbs: DerReader): void {
  if (tbs.nextTag !== TAG.integer || tbs.smallInteger(255) !== V2) throw x509Error('CRL_VERSION')
}

/** R2: present, and after thisUpdate. */
function readNextUpdate(tbs: DerReader, thisUpdate: Instant): Instant {
  const present = tbs.nextTag === TAG.utcTime || tbs.nextTag === TAG.generalizedTime
  const nextUpdate = present ? readTime(tbs) : thisUpdate
  if (nextUpdate <= thisUpdate) throw x509Error('CRL_TIME')
  return nextUpdate
}

function* readEntries(list: DerReader, thisUpdate: Instant, limits: CrlLimits): Steps<readonly RevokedCertificate[]> {
  // R3
  if (list.atEnd()) throw x509Error('CRL_ENTRY')
  const entries: RevokedCertificate[] = []
  const serials = new Set<string>()
  while (!list.atEnd()) {
    if (entries.length === limits.maxEntries) throw x509Error('CRL_TOO_LARGE', { details: { entries: entries.length } })
    const entry = readEntry(list.enter(TAG.sequence))
    serials.add(Buffer.from(entry.serial).toString('latin1'))
    // R10
    if (entry.revokedAt > thisUpdate || serials.size === entries.length) throw x509Error('CRL_ENTRY')
    entries.push(entry)
    if (entries.length % LINES_AT_ONCE === 0) yield
  }
  return entries
}

function readEntry(fields: DerReader): RevokedCertificate {
  const serial = fields.integer()
  if (!isSerial(serial)) throw x509Error('CRL_ENTRY')
  const revokedAt = readTime(fields)
  const reason = fields.atEnd() ? 'unspecified' : readReason(readRawExtensions(fields, MAX_EXTENSIONS))
  fields.finish()
  return { serial, revokedAt, reason }
}

const REASON_OF_NUMBER = new Map<number, RevocationReason>(
  Object.entries(REVOCATION_REASONS).map(([name, number]) => [number, name as RevocationReason]),
)

/** R9: not critical, none of the numbers that only other kinds of CRL have, and not unspecified in words. */
function readReason(extensions: readonly RawExtension[]): RevocationReason {
  const found = extensions.find(({ oid }) => oid === OID.reasonCode)
  // Certificate issuer, which is critical, belongs to indirect CRLs.
  if (extensions.some(({ critical }) => critical)) throw x509Error('CRL_ENTRY')
  if (found === undefined) return 'unspecified'
  const reader = DerReader.of(found.value)
  const [number = 0, ...more] = reader.content(TAG.enumerated)
  reader.finish()
  const reason = REASON_OF_NUMBER.get(number)
  if (number === 0 || more.length > 0 || reason === undefined) throw x509Error('CRL_ENTRY')
  return reason
}

type ExtensionParts = Pick<CrlParts, 'authorityKeyIdentifier' | 'number' | 'scope'>

function readExtensions(extensions: readonly RawExtension[]): ExtensionParts {
  const byOid = new Map(extensions.map((raw) => [raw.oid, raw]))
  // R5: a delta is worthless without the complete CRL that it changes.
  if (byOid.has(OID.deltaCrlIndicator)) throw x509Error('CRL_DELTA')
  const unknown = extensions.find(({ oid, critical }) => critical && oid !== OID.issuingDistributionPoint)
  if (unknown !== undefined) throw x509Error('CRL_EXTENSION', { details: { oid: unknown.oid } })
  return {
    authorityKeyIdentifier: readKeyIdentifier(byOid.get(OID.authorityKeyIdentifier)),
    number: readNumber(byOid.get(OID.crlNumber)),
    scope: scopeOf(byOid.get(OID.issuingDistributionPoint)),
  }
}

function readKeyIdentifier(raw: RawExtension | undefined): Bytes {
  const extension = raw === undefined ? undefined : decodeExtension(raw)
  const keyIdentifier = extension?.kind === 'authorityKeyIdentifier' ? extension.keyIdentifier : undefined
  if (keyIdentifier === undefined) throw x509Error('CRL_EXTENSION', { details: { oid: OID.authorityKeyIdentifier } })
  return keyIdentifier
}

function readNumber(raw: RawExtension | undefined): bigint {
  if (raw === undefined) throw x509Error('CRL_EXTENSION', { details: { oid: OID.crlNumber } })
  const reader = DerReader.of(raw.value)
  const octets = reader.integer()
  reader.finish()
  if ((octets[0] ?? 0) >= 0x80 || octets.length > MAX_NUMBER_OCTETS) {
    throw x509Error('CRL_EXTENSION', { details: { oid: OID.crlNumber } })
  }
  return BigInt(`0x${Buffer.from(octets).toString('hex')}`)
}

/** R6: critical, and one of the scopes that are written here. */
function scopeOf(raw: RawExtension | undefined): CrlScope | undefined {
  if (raw === undefined) return undefined
  const scope = raw.critical ? readScope(raw.value) : undefined
  if (scope === undefined) throw x509Error('CRL_EXTENSION', { details: { oid: OID.issuingDistributionPoint } })
  return scope
}
