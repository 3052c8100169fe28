import type { CertificateRecord } from '#issuance/index.ts'
import { earliest, wholeSecond, type Instant } from '#kernel/instant.ts'
import type { InstanceRecord } from '#registry/index.ts'
import type { CertStatus } from '#x509/index.ts'
import { crlReasonOf } from './crl-reason.ts'
import { credentialCutoffKeys, ownCutoffKeys } from './cutoff-keys.ts'
import { isCutOff } from './cutoff.ts'
import type { CutoffRecord } from './records.ts'

/** Everything that the status of a certificate rests on, as stored. */
export interface StandingFacts {
  readonly trustDomain: string
  /** Id of the authority that is asked about. */
  readonly authority: string
  /** Hex. */
  readonly serial: string
  /** Null where the authority has no such certificate. */
  readonly certificate: CertificateRecord | null
  /** Null for certificates of the server's own, and where there is no such row. */
  readonly instance: InstanceRecord | null
  /** Those with one of `standingKeysOf`. */
  readonly cutoffs: readonly CutoffRecord[]
  /** When the reading of these began: what is said of them is true as of then. */
  readonly readAt: Instant
}

type Rows = Pick<StandingFacts, 'trustDomain' | 'certificate' | 'instance'>

/** Keys of every cutoff that reaches a certificate of whichever kind; none for one that cannot be known. */
export function standingKeysOf({ trustDomain, certificate, instance }: Rows): readonly string[] {
  if (certificate === null) return []
  if (instance !== null) return credentialCutoffKeys({ trustDomain, certificate, instance })
  return certificate.instance === null ? ownCutoffKeys({ trustDomain, certificate }) : []
}

let make: (facts: Pick<StandingFacts, 'authority' | 'serial' | 'readAt'>, status: CertStatus) => CertificateStanding

/**
 * Proof that the status of a certificate was derived from its records as they were read. There is no other way to one
 * than `standingOf`, and OCSP answers are made of nothing else (decision 0015).
 */
export class CertificateStanding {
  readonly #status: CertStatus
  readonly authority: string
  readonly serial: string
  readonly readAt: Instant

  private constructor(facts: Pick<StandingFacts, 'authority' | 'serial' | 'readAt'>, status: CertStatus) {
    this.#status = status
    this.authority = facts.authority
    this.serial = facts.serial
    this.readAt = facts.readAt
  }

  static {
    make = (facts, status) => new CertificateStanding(facts, status)
  }

  get status(): CertStatus {
    return this.#status
  }
}

/**
 * What is to be said of a certificate (O2). Whatever was taken back is revoked, also where it was given up before it
 * was issued. One that is being issued is unknown, and so is one of which a part cannot be found: never good.
 */
export function standingOf(facts: StandingFacts): CertificateStanding {
  return make(facts, statusOf(facts))
}

function statusOf(facts: StandingFacts): CertStatus {
  const { certificate, instance, authority, serial } = facts
  if (certificate?.authority !== authority || certificate.serial !== serial) return { kind: 'unknown' }
  if (certificate.instance !== null && certificate.instance !== instance?.id) return { kind: 'unknown' }
  const causes = causesOf(certificate, facts)
  if (causes.length > 0) return revokedBy(causes, facts.readAt)
  return { kind: certificate.state === 'issued' ? 'good' : 'unknown' }
}

interface Cause {
  readonly at: Instant
  readonly reason: string
}

function causesOf(certificate: CertificateRecord, facts: StandingFacts): readonly Cause[] {
  const { state, issuedAt, revokedAt, reason } = certificate
  const keys = standingKeysOf(facts)
  const reaching = facts.cutoffs.filter((cutoff) => isCutOff(keys, issuedAt, [cutoff]))
  const cut = reaching.map((cutoff) => ({ at: cutoff.createdAt, reason: cutoff.reason }))
  const isDead = state === 'revoked' || state === 'abandoned'
  return isDead ? [...cut, { at: revokedAt ?? issuedAt, reason: reason ?? 'unspecified' }] : cut
}

/** Since the first of them; for the reason of the first, unless its key turned out to be compromised. */
function revokedBy(causes: readonly Cause[], readAt: Instant): CertStatus {
  const [first] = causes.toSorted((left, right) => left.at - right.at)
  const compromise = causes.find(({ reason }) => reason === 'key_compromise')
  const since = earliest(readAt, ...causes.map(({ at }) => at))
  return { kind: 'revoked', at: wholeSecond(since), reason: crlReasonOf((compromise ?? first)?.reason ?? '') }
}
