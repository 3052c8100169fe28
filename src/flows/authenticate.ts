import {
  admit,
  admitAnonymous,
  admitLocal,
  requireSameCaller,
  verifyPresented,
  VerifiedCertificates,
  type Caller,
  type Peer,
  type PresentedCertificate,
} from '#authentication/index.ts'
import type { AuthoritySet } from '#authority/index.ts'
import { isWritError } from '#kernel/errors.ts'
import type { Instant, Milliseconds } from '#kernel/instant.ts'
import { AGENT_LIMITS } from '#registry/index.ts'
import type { AuthenticatePorts } from './authenticate-ports.ts'
import { authenticateWorkload } from './authenticate-workload.ts'
import { readStanding } from './credential-standing.ts'

export type { AuthenticatePorts } from './authenticate-ports.ts'

/**
 * Who is calling, for this one request. Whatever was true at the handshake is looked at again.
 * @throws CLIENT_CERTIFICATE_…, WIT_…, WPT_…, WORKLOAD_HEADER_…, CREDENTIALS_DIFFER, LOCAL_USER_UNKNOWN,
 * PRINCIPAL_UNKNOWN; a bad certificate or token is never anonymous
 */
export function authenticate(ports: AuthenticatePorts, peer: Peer): Promise<Caller> {
  return authenticateWithin(ports, peer, { grace: 0, purpose: 'anything' })
}

/**
 * As `authenticate`, but also for a certificate or identity token that has expired, within its agent's grace (promise
 * 14), and for one of a tainted authority that is not cut off yet. Such a caller can renew and nothing else.
 * @throws as authenticate
 */
export function authenticateForRenewal(ports: AuthenticatePorts, peer: Peer): Promise<Caller> {
  return authenticateWithin(ports, peer, { grace: AGENT_LIMITS.renewGrace.most, purpose: 'renewal' })
}

interface Leniency {
  readonly grace: Milliseconds
  readonly purpose: 'anything' | 'renewal'
}

async function authenticateWithin(ports: AuthenticatePorts, peer: Peer, { grace, purpose }: Leniency): Promise<Caller> {
  // 1. A user of the machine is known by the credentials of the socket's peer.
  if (peer.kind === 'unix') {
    const subject = `local:${String(peer.uid)}`
    return admitLocal(peer.uid, await ports.reader.find('Principal', { subject, state: 'active' }))
  }
  // 2. A certificate on the connection says who calls.
  const moment = { at: ports.clock.now(), grace, purpose }
  const holder = peer.chain.length === 0 ? null : await authenticateCertificate(ports, peer, moment)
  if (peer.shown === undefined) return holder ?? admitAnonymous(peer.address)
  // 3. Who cannot put its key into TLS signs the request; the two never contradict one another.
  const { shown, address } = peer
  const signer = await authenticateWorkload(ports, { shown, address, ...moment })
  if (holder !== null && signer !== null) requireSameCaller(holder, signer)
  // 4. Who shows nothing is anonymous.
  return holder ?? signer ?? admitAnonymous(peer.address)
}

interface ValidAt extends Leniency {
  readonly at: Instant
}

async function authenticateCertificate(ports: AuthenticatePorts, peer: TlsPeer, moment: ValidAt): Promise<Caller> {
  // What is presented must lead to an authority of now, and our own record must say that nobody has taken it back.
  const { presented, tainted } = verifyChain(ports.authorities.current(), peer, moment)
  return admit(presented, await readStanding(ports.reader, presented), {
    at: moment.at,
    address: peer.address,
    tainted,
  })
}

interface Verified {
  readonly presented: PresentedCertificate
  readonly tainted: boolean
}

/** For a renewal, tainted authorities are believed what they signed: the record of it is ours, and says the rest. */
function verifyChain(authorities: AuthoritySet, { chain }: TlsPeer, moment: ValidAt): Verified {
  try {
    return { presented: verifiedBy(authorities).verify(chain, moment), tainted: false }
  } catch (error) {
    if (moment.purpose !== 'renewal' || !isWritError(error, 'CLIENT_CERTIFICATE_UNTRUSTED')) throw error
    const trust = { trustDomain: authorities.trustDomain, ...authorities.forRenewal() }
    return { presented: verifyPresented(chain, trust, moment), tainted: true }
  }
}

type TlsPeer = Extract<Peer, { readonly kind: 'tls' }>

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
