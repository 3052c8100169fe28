import type { CertificateRecord } from '#issuance/index.ts'
import { after, type Instant } from '#kernel/instant.ts'
import type { AgentRecord, InstanceRecord } from '#registry/index.ts'
import { callerOf, type AgentIdentity, type Approach, type Caller } from './caller.ts'
import type { SpiffeId } from '#spiffe/index.ts'
import { authenticationError } from './errors.ts'
import type { PresentedCertificate } from './presented.ts'
import type { PrincipalRecord } from './records.ts'

/** What the store knows of a presented certificate, read for this request. */
export interface Standing {
  readonly certificate: CertificateRecord | null
  readonly instance: InstanceRecord | null
  readonly agent: AgentRecord | null
  /** Whether a cutoff of any kind reaches the certificate. */
  readonly isCutOff: boolean
  /** Looked up for people only, see `isPerson`. */
  readonly principal: PrincipalRecord | null
}

/** Of one request. */
export interface Moment {
  readonly at: Instant
  readonly address: string
  /** Set when the certificate leads to a tainted authority only; see `Caller.tainted`. */
  readonly tainted?: boolean
}

/** People enroll under `/admin/<name>`; what they may do is their principal's roles. */
export function isPerson(spiffeId: SpiffeId): boolean {
  return spiffeId.segments[0] === 'admin'
}

/**
 * The caller behind a certificate that leads to us: issued and not revoked by our own record, its instance active,
 * its agent not retired, and nothing cut off. A suspended agent is still known; it gets nothing new elsewhere.
 * @throws CLIENT_CERTIFICATE_UNKNOWN, CLIENT_CERTIFICATE_REVOKED, CLIENT_CERTIFICATE_EXPIRED, PRINCIPAL_UNKNOWN
 */
export function admit(presented: PresentedCertificate, standing: Standing, moment: Moment): Caller {
  const { at, address, tainted = false } = moment
  const holder = identify(presented, standing)
  const { agent, certificate } = holder
  if (presented.expired && at > after(certificate.notAfter, agent.renewGrace)) {
    throw authenticationError('CLIENT_CERTIFICATE_EXPIRED')
  }
  const taintedBy = tainted ? certificate.authority : null
  return admitHolder(holder, standing, { address, expired: presented.expired, taintedBy, method: 'certificate' })
}

/** The agent or the person that holds a good credential, however it was shown. @throws PRINCIPAL_UNKNOWN */
export function admitHolder(holder: AgentIdentity, { principal }: Standing, approach: Approach): Caller {
  if (!isPerson(holder.spiffeId)) return callerOf(holder, approach)
  if (principal?.state !== 'active') throw authenticationError('PRINCIPAL_UNKNOWN')
  return callerOf({ kind: 'principal', principal, holder }, approach)
}

function identify(presented: PresentedCertificate, standing: Standing): AgentIdentity {
  const { certificate, instance, agent } = standing
  if (certificate === null || instance === null || agent === null || !presented.is(certificate.der)) {
    throw authenticationError('CLIENT_CERTIFICATE_UNKNOWN')
  }
  const alive = certificate.state === 'issued' && instance.state === 'active' && agent.state !== 'retired'
  if (!alive || standing.isCutOff) {
    throw authenticationError('CLIENT_CERTIFICATE_REVOKED', { details: { serial: certificate.serial } })
  }
  const { spiffeId, thumbprint } = presented
  return { kind: 'agent', agent, instance, spiffeId, certificate, thumbprint }
}

/** A user of the machine. @throws LOCAL_USER_UNKNOWN */
export function admitLocal(uid: number, principal: PrincipalRecord | null): Caller {
  if (principal?.state !== 'active') throw authenticationError('LOCAL_USER_UNKNOWN', { details: { uid } })
  return callerOf({ kind: 'local', uid, principal }, { address: 'unix', expired: false, method: 'socket' })
}

/** Somebody who presented nothing. */
export function admitAnonymous(address: string): Caller {
  return callerOf({ kind: 'anonymous' }, { address, expired: false, method: 'none' })
}
