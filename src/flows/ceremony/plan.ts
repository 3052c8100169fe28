import type { SignatureAlgorithm } from '#kernel/algorithms.ts'
import { equal, toHex } from '#kernel/bytes.ts'
import type { Instant, Milliseconds } from '#kernel/instant.ts'
import type { JsonObject } from '#kernel/json.ts'
import { PROFILES } from '#issuance/index.ts'
import type { TrustDomain } from '#spiffe/index.ts'
import type { Certificate, CertificateRequest, RevokedCertificate } from '#x509/index.ts'
import { ceremonyError } from './errors.ts'

export interface Present {
  readonly name: string
  readonly role: string
}

/** A root that the ceremony makes. */
export interface NewRoot {
  readonly kind: 'new'
  readonly key: string
  readonly algorithm: SignatureAlgorithm
  readonly lifetime: Milliseconds
  readonly organization?: string | undefined
  readonly commonName?: string | undefined
}

/** A root of an earlier ceremony. */
export interface ExistingRoot {
  readonly kind: 'existing'
  readonly key: string
  readonly certificate: Certificate
}

/** The root that everybody knows, and that certifies the one of the ceremony. */
export interface CrossOrder {
  readonly key: string
  readonly certificate: Certificate
}

export interface IssuingOrder {
  /** Names its file. */
  readonly name: string
  readonly request: CertificateRequest
  readonly lifetime: Milliseconds
}

export interface CrlSeries {
  readonly count: number
  readonly every: Milliseconds
  /** How long each is good beyond the time of the next. */
  readonly overlap: Milliseconds
  readonly firstNumber: bigint
  readonly revoked: readonly RevokedCertificate[]
}

/** What a ceremony is to do, read and understood; nothing of it is done yet. */
export interface CeremonyPlan {
  readonly name: string
  readonly trustDomain: TrustDomain
  readonly present: readonly Present[]
  readonly root: NewRoot | ExistingRoot
  /** Null where no other root is to vouch for this one. */
  readonly cross: CrossOrder | null
  readonly issuing: readonly IssuingOrder[]
  readonly crls: CrlSeries | null
  /** Where the root's CRL will be published; null when nowhere. */
  readonly statusUrl: string | null
  readonly nameConstraints: boolean
  /** The plan as it was written, for the transcript. */
  readonly written: JsonObject
  /** SHA-256 of the file that it was read from, hex. */
  readonly digest: string
}

const FEWEST_PRESENT = 2

/**
 * What can be refused before a key is touched.
 * @throws CEREMONY_NOBODY_PRESENT, CEREMONY_LIFETIME, CEREMONY_REQUEST_REPEATED, CEREMONY_CRLS, CEREMONY_ROOT_INVALID
 */
export function checkPlan(plan: CeremonyPlan, now: Instant): void {
  const people = new Set(plan.present.map(({ name }) => name.trim().toLowerCase()))
  if (people.size < FEWEST_PRESENT)
    throw ceremonyError('CEREMONY_NOBODY_PRESENT', { details: { present: people.size } })
  checkLifetimes(plan, now)
  const names = new Set(plan.issuing.map(({ name }) => name))
  const keys = new Set(plan.issuing.map(({ request }) => toHex(request.publicKey.spkiHash)))
  if (names.size < plan.issuing.length || keys.size < plan.issuing.length) {
    throw ceremonyError('CEREMONY_REQUEST_REPEATED')
  }
  checkCrls(plan, now)
  checkCross(plan, now)
}

function rootEnd({ root }: CeremonyPlan, now: Instant): number {
  return root.kind === 'new' ? now + root.lifetime : root.certificate.notAfter
}

function checkLifetimes(plan: CeremonyPlan, now: Instant): void {
  const { root, issuing } = plan
  if (root.kind === 'new' && root.lifetime > PROFILES.root.mostLifetime) {
    throw ceremonyError('CEREMONY_LIFETIME', { details: { of: 'root' } })
  }
  const end = rootEnd(plan, now)
  const tooLong = issuing.find(({ lifetime }) => lifetime > PROFILES.issuing.mostLifetime || now + lifetime > end)
  if (tooLong !== undefined) throw ceremonyError('CEREMONY_LIFETIME', { details: { of: tooLong.name } })
}

function checkCrls(plan: CeremonyPlan, now: Instant): void {
  const { crls } = plan
  if (crls === null) return
  const isWithin = now + crls.count * crls.every + crls.overlap <= rootEnd(plan, now)
  if (!isWithin || crls.overlap <= 0 || crls.every <= 0) throw ceremonyError('CEREMONY_CRLS')
}

/** One that has ended vouches for nobody, and none for itself. */
function checkCross({ root, cross }: CeremonyPlan, now: Instant): void {
  if (cross === null) return
  const { notBefore, notAfter, publicKey } = cross.certificate
  const isItself = root.kind === 'existing' && equal(root.certificate.publicKey.spki, publicKey.spki)
  if (isItself || now < notBefore || now >= notAfter) {
    throw ceremonyError('CEREMONY_ROOT_INVALID', { details: { of: 'cross' } })
  }
}

/** What the ceremony will do, in order, for people to read before it is done. */
export function stepsOf(plan: CeremonyPlan): readonly string[] {
  const { root, cross, issuing, crls } = plan
  const days = (length: Milliseconds): string => `${String(Math.round((length / 86_400_000) * 10) / 10)} days`
  const first =
    root.kind === 'new'
      ? [`make the key ${root.key} (${root.algorithm})`, `sign the root certificate, for ${days(root.lifetime)}`]
      : [`open the key ${root.key} of the root ${toHex(root.certificate.fingerprint).slice(0, 16)}…`]
  return [
    ...first,
    ...(cross === null
      ? []
      : [`let the key ${cross.key} of the root ${toHex(cross.certificate.fingerprint).slice(0, 16)}… certify it`]),
    ...issuing.map(
      ({ name, request, lifetime }) =>
        `sign the issuing authority ${name}, for ${days(lifetime)} (key ${toHex(request.publicKey.spkiHash).slice(0, 16)}…)`,
    ),
    ...(crls === null
      ? []
      : [
          `sign ${String(crls.count)} CRLs of the root, one each ${days(crls.every)}, good ${days(crls.every + crls.overlap)}, from number ${String(crls.firstNumber)}, ${String(crls.revoked.length)} revoked`,
        ]),
    'sign the transcript with the root',
  ]
}
