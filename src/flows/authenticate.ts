import {
  admit,
  admitAnonymous,
  admitLocal,
  isPerson,
  VerifiedCertificates,
  type Caller,
  type Peer,
  type PresentedCertificate,
  type Standing,
} from '#authentication/index.ts'
import type { AuthoritySet, AuthoritySource } from '#authority/index.ts'
import type { Clock } from '#kernel/clock.ts'
import type { Milliseconds } from '#kernel/instant.ts'
import { AGENT_LIMITS } from '#registry/index.ts'
import { credentialCutoffKeys } from '#revocation/index.ts'
import type { Reader } from './ports.ts'

export interface AuthenticatePorts {
  readonly reader: Reader
  readonly clock: Clock
  readonly authorities: AuthoritySource
}

/**
 * Who is calling, for this one request. Whatever was true at the handshake is looked at again.
 * @throws CLIENT_CERTIFICATE_…, LOCAL_USER_UNKNOWN, PRINCIPAL_UNKNOWN; a bad certificate is never anonymous
 */
export function authenticate(ports: AuthenticatePorts, peer: Peer): Promise<Caller> {
  return authenticateWithin(ports, peer, 0)
}

/**
 * As `authenticate`, but also for a certificate that has expired, within its agent's grace (promise 14). Such a caller
 * can renew and nothing else.
 * @throws as authenticate
 */
export function authenticateForRenewal(ports: AuthenticatePorts, peer: Peer): Promise<Caller> {
  return authenticateWithin(ports, peer, AGENT_LIMITS.renewGrace.most)
}

async function authenticateWithin(ports: AuthenticatePorts, peer: Peer, grace: Milliseconds): Promise<Caller> {
  // 1. A user of the machine is known by the credentials of the socket's peer.
  if (peer.kind === 'unix') {
    const subject = `local:${String(peer.uid)}`
    return admitLocal(peer.uid, await ports.reader.find('Principal', { subject, state: 'active' }))
  }
  // 2. Who presents nothing is anonymous.
  if (peer.chain.length === 0) return admitAnonymous(peer.address)
  // 3. What is presented must lead to an authority of now.
  const at = ports.clock.now()
  const presented = verifiedBy(ports.authorities.current()).verify(peer.chain, { at, grace })
  // 4. And our own record must say that nobody has taken it back.
  return admit(presented, await readStanding(ports.reader, presented), at, peer.address)
}

const verified = new WeakMap<AuthoritySet, VerifiedCertificates>()

/** With every change of the authorities comes another set, for which everything is verified anew. */
function verifiedBy(authorities: AuthoritySet): VerifiedCertificates {
  const known = verified.get(authorities)
  if (known !== undefined) return known
  const made = new VerifiedCertificates({
    trustDomain: authorities.trustDomain,
    anchors: authorities.anchors(),
    intermediates: authorities.intermediates(),
  })
  verified.set(authorities, made)
  return made
}

async function readStanding(reader: Reader, presented: PresentedCertificate): Promise<Standing> {
  const certificate = await reader.find('Certificate', { serial: presented.serial, kind: 'svid' })
  if (certificate?.instance == null || certificate.agent === null) return NOWHERE
  const subject = presented.spiffeId.toString()
  const [instance, agent, principal] = await Promise.all([
    reader.find('Instance', { id: certificate.instance }),
    reader.find('Agent', { id: certificate.agent }),
    isPerson(presented) ? reader.find('Principal', { subject, state: 'active' }) : null,
  ])
  if (instance === null) return NOWHERE
  const trustDomain = presented.spiffeId.trustDomain.name
  const keys = credentialCutoffKeys({ trustDomain, certificate, instance })
  // One that cuts off what was issued later than this certificate reaches this one as well.
  const cutoff = await reader.find('Cutoff', { key: { in: keys }, before: { gt: certificate.issuedAt } })
  return { certificate, instance, agent, isCutOff: cutoff !== null, principal }
}

const NOWHERE: Standing = { certificate: null, instance: null, agent: null, isCutOff: false, principal: null }
