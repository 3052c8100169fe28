import { authenticationError, type AgentIdentity, type Caller } from '#authentication/index.ts'
import { issuanceError } from '#issuance/index.ts'
import { toHex } from '#kernel/bytes.ts'
import { after, type Instant } from '#kernel/instant.ts'
import { permitIssuance } from '#policy/index.ts'
import { cutoffKey, liveCutoffGuard } from '#revocation/index.ts'
import { registryError, requireActive, reregister } from '#registry/index.ts'
import type { CertificateRequest } from '#x509/index.ts'
import { parseRequestText } from './certificate-request.ts'
import type { IssuePorts } from './issuance-ports.ts'
import { findIssued, issueX509Svid, type IssuedSvid } from './issue-x509-svid.ts'
import type { Change, Guard, Reader } from './ports.ts'
import { repeatWitSvid } from './repeat-wit-svid.ts'
import { recordingDenials } from './recorded-story.ts'
import { idempotencyKey, REPEATABLE, svidAnswer, type SvidAnswer } from './svid-answer.ts'

export interface RenewRequest {
  /** PEM, or base64 of the DER. */
  readonly csr: string
  /** Whether a WIT-SVID is wanted beside the certificate. */
  readonly wit?: boolean | undefined
}

/**
 * An instance gets the next certificate of its lineage, with the same or another key, decided with today's rules. The
 * caller is from `authenticateForRenewal`: its certificate may have expired within the agent's grace, if it is still
 * the newest of its lineage. The same certificate and request get the same answer for ten minutes.
 * @throws AUTHENTICATION_REQUIRED, CALLER_NOT_AGENT, CLIENT_CERTIFICATE_EXPIRED, CSR_…, KEY_…, AGENT_SUSPENDED,
 * AGENT_NOT_MATCHED, KEY_CLASS_NOT_ALLOWED, ATTESTED_KEY_CHANGED, ATTESTATION_TOO_OLD, POLICY_…, REQUEST_…, ISSUANCE_…
 */
export function renew(ports: IssuePorts, caller: Caller, asked: RenewRequest): Promise<SvidAnswer> {
  // 1. Whose certificate it is; anonymous callers and users of the machine have none.
  const holder = caller.requireRenewable()
  const object = `certificate:${holder.certificate.serial}`
  const attempt = { type: 'certificate.renewed', actor: caller.name, object }
  return recordingDenials(ports, attempt, (watched) => renewFor(watched, { caller, holder }, asked))
}

interface Renewing {
  readonly caller: Caller
  readonly holder: AgentIdentity
}

async function renewFor(ports: IssuePorts, { caller, holder }: Renewing, asked: RenewRequest): Promise<SvidAnswer> {
  const { agent, instance, certificate } = holder
  // 2. The agent may have something new, and the request shows that its sender holds the new key,
  // as the handshake has shown it of the old one.
  requireActive(agent)
  const request = parseRequestText(asked.csr, certificate.spkiHash)
  requireAttestedKey(holder, request)
  // 3. Who asks again for an answer that was lost gets it.
  const now = ports.clock.now()
  const keys = keysAt(now, holder, request)
  const found = await findAnswer(ports, keys)
  if (found !== null) return repeat(ports, holder, { svid: found, wit: asked.wit ?? false, request })
  // 4. The registration is decided again, and so is the policy.
  if (caller.expired) await requireNewest(ports.reader, holder)
  const registration = reregister(instance, agent, now)
  const grant = permitIssuance(registration, { at: now, keyClass: instance.keyClass })
  // 5. The intent is recorded, as long as the old certificate still stands, then the new one is signed.
  const svid = await issueX509Svid(ports, {
    caller: caller.name,
    commitments: caller.commitments,
    registration,
    grant,
    request,
    instance,
    renewed: certificate.serial,
    idempotencyKey: keys.current,
    guards: guardsOf(caller, holder),
    changes: caller.expired ? await graceMark(ports.reader, holder) : [],
    wit: asked.wit ?? false,
  })
  return svidAnswer(instance.id, svid)
}

/** What was attested is the key of this certificate; of any other one nobody knows where it lives. */
function requireAttestedKey({ instance, certificate }: AgentIdentity, request: CertificateRequest): void {
  if (instance.keyClassSource !== 'attested') return
  if (toHex(request.publicKey.spkiHash) !== certificate.spkiHash) throw registryError('ATTESTED_KEY_CHANGED')
}

interface Repeated {
  readonly svid: IssuedSvid
  readonly wit: boolean
  readonly request: CertificateRequest
}

async function repeat(ports: IssuePorts, holder: AgentIdentity, { svid, wit, request }: Repeated): Promise<SvidAnswer> {
  const { agent, instance } = holder
  if (!wit) return svidAnswer(instance.id, svid)
  const now = ports.clock.now()
  const grant = permitIssuance(reregister(instance, agent, now), { at: now, keyClass: instance.keyClass })
  const { publicKey } = request
  return svidAnswer(instance.id, await repeatWitSvid(ports, { agent, instance, grant, publicKey, svid }))
}

interface Keys {
  readonly current: string
  readonly previous: string
  /** Nothing issued before this is answered again. */
  readonly since: Instant
}

/** One key for each ten minutes: within them a repetition finds the answer, and later it is another renewal. */
function keysAt(now: Instant, holder: AgentIdentity, request: CertificateRequest): Keys {
  const window = Math.floor(now / REPEATABLE)
  const key = (index: number): string =>
    idempotencyKey('renew', holder.certificate.serial, toHex(request.digest), String(index))
  return { current: key(window), previous: key(window - 1), since: Math.max(0, now - REPEATABLE) as Instant }
}

/** @throws ISSUANCE_IN_PROGRESS */
async function findAnswer(ports: IssuePorts, { current, previous, since }: Keys): Promise<IssuedSvid | null> {
  // Nearly always there is none, which one question tells.
  const where = { idempotencyKey: { in: [current, previous] }, issuedAt: { gt: since } }
  if ((await ports.reader.find('Certificate', where)) === null) return null
  for (const key of [current, previous]) {
    const row = await ports.reader.find('Certificate', { idempotencyKey: key, issuedAt: { gt: since } })
    if (row === null) continue
    const found = await findIssued(ports, key)
    if (found === 'intent') throw issuanceError('ISSUANCE_IN_PROGRESS')
    if (found !== null) return found
  }
  return null
}

/** @throws CLIENT_CERTIFICATE_EXPIRED when something newer was issued in the lineage */
async function requireNewest(reader: Reader, { certificate, instance }: AgentIdentity): Promise<void> {
  const newer = await reader.find('Certificate', {
    lineage: instance.lineage,
    issuedAt: { gt: certificate.issuedAt },
    state: { in: ['issued', 'revoked'] },
  })
  if (newer !== null) throw authenticationError('CLIENT_CERTIFICATE_EXPIRED', { details: { newer: newer.serial } })
}

function guardsOf(caller: Caller, { certificate, instance }: AgentIdentity): readonly Guard[] {
  const stands: Guard = {
    table: 'Certificate',
    must: 'exist',
    where: { serial: certificate.serial, state: 'issued' },
    refuse: () => authenticationError('CLIENT_CERTIFICATE_REVOKED'),
  }
  const grounds = caller.taintedBy === null ? [stands] : [stands, ...taintedGuards(caller.taintedBy, certificate)]
  if (!caller.expired) return grounds
  const newest: Guard = {
    table: 'Certificate',
    must: 'not-exist',
    where: { lineage: instance.lineage, issuedAt: { gt: certificate.issuedAt }, state: { in: ['issued', 'revoked'] } },
    refuse: () => authenticationError('CLIENT_CERTIFICATE_EXPIRED'),
  }
  return [...grounds, newest]
}

/** The authority of the old certificate or identity token is tainted, and its holders may still renew. */
function taintedGuards(authority: string, { issuedAt }: AgentIdentity['certificate']): readonly Guard[] {
  const untrusted = () => authenticationError('CLIENT_CERTIFICATE_UNTRUSTED')
  const revoked = () => authenticationError('CLIENT_CERTIFICATE_REVOKED')
  return [
    { table: 'Authority', must: 'exist', where: { id: authority, state: 'tainted' }, refuse: untrusted },
    liveCutoffGuard([cutoffKey('authority', authority)], issuedAt, revoked),
  ]
}

/**
 * Two who hold the same expired certificate must not both get a new lease of life from it: the guards of both could
 * pass in one batch, but a mark can be set only once. An attempt that was given up leaves room for one more.
 */
async function graceMark(reader: Reader, { agent, certificate, instance }: AgentIdentity): Promise<readonly Change[]> {
  const where = { lineage: instance.lineage, renewed: certificate.serial, state: 'abandoned' } as const
  const given = await reader.list('Certificate', { where, limit: 1000 })
  const key = `renew-grace:${certificate.serial}:${String(given.length)}`
  const row = { key, expiresAt: after(certificate.notAfter, agent.renewGrace) }
  return [{ op: 'insert', table: 'Replay', row, refuse: () => issuanceError('ISSUANCE_IN_PROGRESS') }]
}
