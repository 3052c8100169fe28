import type { CertificateRecord } from '#issuance/index.ts'
import { toHex } from '#kernel/bytes.ts'
import { sha256 } from '#kernel/digest.ts'
import { after, type Instant } from '#kernel/instant.ts'
import { certificateThumbprint, jwtError, spkiFromJwk, type WitSvid, type WorkloadProof } from '#jwt/index.ts'
import { admitHolder, type Standing } from './admit.ts'
import type { AgentIdentity, Caller } from './caller.ts'
import { authenticationError } from './errors.ts'

/** A verified identity token together with the verified proof that its sender holds the key in it. */
export interface ProvenWorkload {
  readonly identity: WitSvid
  readonly proof: WorkloadProof
  /** Id of the tainted authority that signed the identity; null where it is trusted. */
  readonly taintedBy: string | null
}

/**
 * The caller behind a WIT-SVID of ours: the same as over a connection with the certificate that it was issued beside
 * (SP-4), and only as long as that certificate, its instance and its agent stand.
 * @throws WIT_UNKNOWN, WIT_REVOKED, WIT_EXPIRED, PRINCIPAL_UNKNOWN
 */
export function admitWorkload(
  { identity, taintedBy }: ProvenWorkload,
  standing: Standing,
  { at, address }: { readonly at: Instant; readonly address: string },
): Caller {
  const holder = holderOf(identity, standing)
  // Whoever has a tainted key can write any time; the certificate's is on record.
  const expired = identity.expired || (taintedBy !== null && at >= holder.certificate.notAfter)
  if (expired && at > after(holder.certificate.notAfter, holder.agent.renewGrace)) {
    throw jwtError('WIT_EXPIRED')
  }
  return admitHolder(holder, standing, { address, expired, taintedBy, method: 'wit' })
}

function holderOf(identity: WitSvid, standing: Standing): AgentIdentity {
  const { certificate, instance, agent } = standing
  if (certificate === null || instance === null || agent === null || !isBeside(identity, certificate)) {
    throw authenticationError('WIT_UNKNOWN')
  }
  const stands = certificate.state === 'issued' && instance.state === 'active' && agent.state !== 'retired'
  const { der, serial } = certificate
  if (!stands || standing.isCutOff || der === null) throw authenticationError('WIT_REVOKED', { details: { serial } })
  const { subject: spiffeId } = identity
  return { kind: 'agent', agent, instance, spiffeId, certificate, thumbprint: certificateThumbprint(der) }
}

/** The certificate is for the same name and the same key. */
function isBeside({ subject, key }: WitSvid, certificate: CertificateRecord): boolean {
  const isSameKey = certificate.spkiHash === toHex(sha256(spkiFromJwk(key.jwk)))
  return isSameKey && certificate.spiffeId === subject.toString()
}

/**
 * A certificate on the connection says who calls, and a header never says otherwise (WI-5): the two name the same
 * instance, or nobody is let in.
 * @throws CREDENTIALS_DIFFER
 */
export function requireSameCaller(connection: Caller, headers: Caller): void {
  const [left, right] = [connection.requireRenewable(), headers.requireRenewable()]
  const isSame = left.instance.id === right.instance.id && left.spiffeId.equals(right.spiffeId)
  if (!isSame) throw authenticationError('CREDENTIALS_DIFFER')
}
