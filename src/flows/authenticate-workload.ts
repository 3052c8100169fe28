import {
  admitWorkload,
  authenticationError,
  type Caller,
  type ProvenWorkload,
  type ShownTokens,
} from '#authentication/index.ts'
import { jwtError, parseCompact, type KeySet, WitSvid, WorkloadProof } from '#jwt/index.ts'
import { isWritError } from '#kernel/errors.ts'
import { SECOND, type Instant, type Milliseconds } from '#kernel/instant.ts'
import type { AuthenticatePorts } from './authenticate-ports.ts'
import { readStanding } from './credential-standing.ts'
import { deadlineMark } from './rotation/deadline.ts'

/** Replicas of ours may differ by this much, and nobody else issues these tokens. */
const SKEW: Milliseconds = 2 * SECOND

export interface WorkloadRequest {
  readonly shown: ShownTokens
  readonly address: string
  readonly at: Instant
  /** How long ago the identity token may have expired. */
  readonly grace: Milliseconds
  /** For a renewal, tainted authorities are believed as well: whatever the token says is on record. */
  readonly purpose: 'anything' | 'renewal'
}

/**
 * Who sends a WIT-SVID with a proof of its key; null where neither is there. What costs nothing comes first, and the
 * proof is used up last, so that only who may come in writes anything.
 * @throws WIT_*, WPT_*, WORKLOAD_HEADER_*, PRINCIPAL_UNKNOWN
 */
export async function authenticateWorkload(ports: AuthenticatePorts, request: WorkloadRequest): Promise<Caller | null> {
  const { shown, at, address } = request
  // 1. An identity token is never a bearer.
  refuseBearer(shown)
  if (shown.identities.length === 0 && shown.proofs.length === 0) return null
  // 2. One of each: the token is ours and valid, the proof is for it and for this request.
  const proven = await verify(ports, request)
  // 3. Our own record says that nobody has taken it back.
  const { certificate, subject } = proven.identity
  if (certificate === undefined) throw authenticationError('WIT_UNKNOWN')
  const standing = await readStanding(ports.reader, { serial: certificate, spiffeId: subject })
  const caller = admitWorkload(proven, standing, { at, address })
  // 4. Of any number of requests with this proof, on any replica, one goes on.
  const { replayKey: key, rememberUntil: expiresAt } = proven.proof
  if (!(await ports.firsts.insertFirst('Replay', { key, expiresAt }))) throw jwtError('WPT_REPLAYED')
  return caller
}

async function verify(ports: AuthenticatePorts, request: WorkloadRequest): Promise<ProvenWorkload> {
  const { shown, at } = request
  const [identityText, ...identities] = shown.identities
  const [proofText, ...proofs] = shown.proofs
  if (identityText === undefined) throw authenticationError('WORKLOAD_IDENTITY_MISSING')
  if (proofText === undefined) throw authenticationError('WORKLOAD_PROOF_MISSING')
  if (identities.length > 0 || proofs.length > 0) throw authenticationError('WORKLOAD_HEADER_MULTIPLE')
  const { identity, taintedBy } = await verifyIdentity(ports, request, identityText)
  const { url: audience, transactionToken } = shown
  const accessToken = tokenOf(shown.authorization)
  return {
    identity,
    proof: WorkloadProof.verify(proofText, { identity, audience, now: at, accessToken, transactionToken }),
    taintedBy,
  }
}

type ProvenIdentity = Pick<ProvenWorkload, 'identity' | 'taintedBy'>

/** By the keys of now; for a renewal also by one that is tainted, until its time is up. */
async function verifyIdentity(
  { authorities, reader }: AuthenticatePorts,
  { at, grace, purpose }: WorkloadRequest,
  text: string,
): Promise<ProvenIdentity> {
  const current = authorities.current()
  const verifyBy = (keys: KeySet): WitSvid =>
    WitSvid.verify(text, {
      now: at,
      skew: SKEW,
      grace,
      keysOf: (domain) => (domain.equals(current.trustDomain) ? keys : undefined),
    })
  try {
    return { identity: verifyBy(current.keySet('wit-svid')), taintedBy: null }
  } catch (error) {
    if (purpose !== 'renewal' || !isWritError(error, 'WIT_KEY_UNKNOWN')) throw error
    const tainted = current.taintedKey('wit-svid', parseCompact(text, 'wit-svid').header.kid ?? '')
    if (tainted === null) throw error
    const identity = verifyBy(tainted.keys)
    const deadline = await reader.find('Mark', { name: deadlineMark(tainted.id) })
    if (deadline === null || at >= deadline.at) throw error
    return { identity, taintedBy: tainted.id }
  }
}

/** W-7, WI-1. @throws WIT_IN_AUTHORIZATION */
function refuseBearer({ authorization }: ShownTokens): void {
  const token = tokenOf(authorization)
  if (token === undefined) return
  try {
    parseCompact(token, 'wit-svid')
  } catch (error) {
    if (isWritError(error)) return
    throw error
  }
  throw authenticationError('WIT_IN_AUTHORIZATION')
}

/** What follows the scheme. */
function tokenOf(authorization: string | undefined): string | undefined {
  return authorization === undefined ? undefined : /^\S+ +(\S+)$/.exec(authorization)?.[1]
}
