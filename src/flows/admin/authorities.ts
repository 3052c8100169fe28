import type { Caller } from '#authentication/index.ts'
import {
  authorityError,
  isHalfMade,
  isUnderOfflineRoot,
  type AuthorityRecord,
  type AuthorityTransition,
  type Gate,
  type RotatedKind,
} from '#authority/index.ts'
import { toHex, type Bytes } from '#kernel/bytes.ts'
import { sha256 } from '#kernel/digest.ts'
import type { Milliseconds } from '#kernel/instant.ts'
import { NOTHING_BESIDES, type Besides } from '../approvals/besides.ts'
import { importRootCrl, type ImportedCrl } from '../crl/import-root-crl.ts'
import { importAuthority } from '../import-authority.ts'
import type { AuthorityPorts } from '../issuance-ports.ts'
import { listAuthorities } from '../load-authorities.ts'
import { prepareAuthority } from '../prepare-authority.ts'
import { recordingDenials } from '../recorded-story.ts'
import { authorityRequest, requestAuthority } from '../request-authority.ts'
import { findAffected, type Affected } from '../rotation/affected.ts'
import { readGate } from '../rotation/gates.ts'
import { requireReason, type AuthorityStep, type TransitionOrder } from '../rotation/order.ts'
import { previewTaint, taintAuthority } from '../rotation/taint-authority.ts'
import { findUnaware, type Unaware } from '../rotation/unaware.ts'
import { previewTransition, takeStep } from '../transition-authority.ts'

export interface RequestedAuthority {
  readonly authority: AuthorityRecord
  /** DER, PKCS #10: what a ceremony signs; null where the server signs for itself. */
  readonly request: Bytes | null
}

/** The kinds that an operator may ask for; those that others take care of are not among them. */
export type PreparableKind = 'x509-root' | RotatedKind

/**
 * One more authority, seen by nobody yet: one that is ready to be published is answered again. An issuing authority
 * under a root that no server opens gets a key, and a request for a ceremony to sign.
 * @throws ROLE_REQUIRED, AUTHORITY_MODE for a root where there is none, and as `prepareAuthority`, `requestAuthority`
 */
export function askForAuthority(
  ports: AuthorityPorts,
  caller: Caller,
  kind: PreparableKind,
): Promise<RequestedAuthority> {
  const attempt = { type: 'authority.requested', actor: caller.name, object: 'authority:new', commitments: { kind } }
  return recordingDenials(ports, attempt, async (watched) => {
    caller.requireRole('ca-admin')
    const records = await listAuthorities(watched.reader)
    if (kind === 'x509' && isUnderOfflineRoot(records)) {
      const authority = await requestAuthority(watched, caller.name)
      return { authority, request: await authorityRequest(watched, authority.id) }
    }
    requireFitting(kind, records)
    const ready = records.find((one) => one.kind === kind && one.state === 'prepared' && !isHalfMade(one))
    return { authority: ready ?? (await prepareAuthority(watched, { actor: caller.name, kind })), request: null }
  })
}

/** A root only where roots are, and not one that a ceremony has to make. */
function requireFitting(kind: PreparableKind, records: readonly AuthorityRecord[]): void {
  if (kind !== 'x509-root') return
  const isRooted = records.some((one) => one.kind === 'x509-root')
  if (!isRooted || isUnderOfflineRoot(records)) throw authorityError('AUTHORITY_MODE', { details: { kind } })
}

/** What a ceremony signed. @throws ROLE_REQUIRED, and as `importAuthority` */
export function bringAuthority(ports: AuthorityPorts, caller: Caller, certificate: Bytes): Promise<AuthorityRecord> {
  const commitments = { certificate: `sha-256:${toHex(sha256(certificate))}` }
  const attempt = { type: 'authority.imported', actor: caller.name, object: 'authority:unknown', commitments }
  return recordingDenials(ports, attempt, (watched) => {
    caller.requireRole('ca-admin')
    return importAuthority(watched, { actor: caller.name, certificate })
  })
}

/** A CRL that a ceremony signed with a root. @throws ROLE_REQUIRED, and as `importRootCrl` */
export function bringCrl(ports: AuthorityPorts, caller: Caller, crl: Bytes): Promise<ImportedCrl> {
  const commitments = { crl: `sha-256:${toHex(sha256(crl))}` }
  const attempt = { type: 'crl.imported', actor: caller.name, object: 'authority:unknown', commitments }
  return recordingDenials(ports, attempt, (watched) => {
    caller.requireRole('ca-admin')
    return importRootCrl(watched, { actor: caller.name, crl })
  })
}

export interface StepRequest {
  readonly id: string
  readonly step: AuthorityStep
  readonly version: number | undefined
  /** Skips the gates; for emergencies, and never without a reason. */
  readonly urgent: boolean
  readonly dryRun: boolean
  readonly reason?: string | undefined
  /** Of a taint, see `TransitionOrder`. */
  readonly within?: Milliseconds | undefined
  readonly compromised?: boolean | undefined
}

/** The authorities that change, and what they become; none where the step was taken before. */
export type StepOutcome = readonly Pick<AuthorityTransition, 'id' | 'set'>[]

/**
 * Moves an authority on, or shows what that would change. `also` goes into the same commit.
 * @throws ROLE_REQUIRED, AUTHORITY_KEPT_BY_SERVER, AUTHORITY_REASON_REQUIRED, and as `takeStep`, `taintAuthority`
 */
export function stepAuthority(
  ports: AuthorityPorts,
  caller: Caller,
  request: StepRequest,
  also: Besides = NOTHING_BESIDES,
): Promise<StepOutcome> {
  const attempt = { type: `authority.${request.step}`, actor: caller.name, object: `authority:${request.id}` }
  return recordingDenials(ports, attempt, async (watched) => {
    caller.requireRole('ca-admin')
    await requireRotatedByHand(watched, request.id)
    const order = { ...orderOf(caller.name, request), also }
    // What holds a step is shown beside it, and does not keep anybody from looking.
    if (request.dryRun) return previewStep(watched, { ...order, urgent: true })
    const take = order.step === 'taint' ? taintAuthority : takeStep
    return (await take(watched, order)).transitions
  })
}

/** Responders come and go with the authorities that they answer for, within days. */
async function requireRotatedByHand({ reader }: Pick<AuthorityPorts, 'reader'>, id: string): Promise<void> {
  const responder = await reader.find('Authority', { id, kind: 'ocsp' })
  if (responder !== null) throw authorityError('AUTHORITY_KEPT_BY_SERVER', { details: { authority: id } })
}

/** What a step would change now if `actor` took it, whatever holds it. @throws as `stepAuthority`, but for its role */
export async function foreseeStep(ports: AuthorityPorts, actor: string, request: StepRequest): Promise<StepOutcome> {
  return previewStep(ports, { ...orderOf(actor, request), urgent: true })
}

function previewStep(ports: AuthorityPorts, order: TransitionOrder): Promise<readonly AuthorityTransition[]> {
  return order.step === 'taint' ? previewTaint(ports, order) : previewTransition(ports, order)
}

function orderOf(actor: string, request: StepRequest): TransitionOrder {
  const { id, step, version, urgent, reason, within, compromised } = request
  requireReason(request)
  return {
    actor,
    id,
    step,
    urgent,
    ...(version === undefined ? {} : { expectedVersion: version }),
    ...(reason === undefined ? {} : { reason }),
    ...(within === undefined ? {} : { within }),
    ...(compromised === undefined ? {} : { compromised }),
  }
}

/** What stands before a step, and who feels it. */
export interface StepForecast {
  /** Null where the step has no gate. */
  readonly gate: Gate | null
  readonly affected: Affected
  /** Of a taint of what signs: who does not hold its successor. */
  readonly unaware: Unaware | null
}

/**
 * Beside a dry run: the gate of the step, the identities under the authorities that would change, and of a taint
 * those whom it would lock out.
 * @throws ROLE_REQUIRED, AUTHORITY_NOT_FOUND
 */
export async function forecastStep(
  { reader, clock }: Pick<AuthorityPorts, 'reader' | 'clock'>,
  caller: Caller,
  { id, step }: Pick<StepRequest, 'id' | 'step'>,
): Promise<StepForecast> {
  caller.requireRole('ca-admin')
  const records = await listAuthorities(reader)
  const subject = records.find((one) => one.id === id)
  if (subject === undefined) throw authorityError('AUTHORITY_NOT_FOUND', { details: { authority: id } })
  const now = clock.now()
  const isGated = step === 'activate' || step === 'retire'
  const gate = isGated ? await readGate(reader, step, { subject, records, now }) : null
  const question = { step, subject, records, now }
  return { gate, affected: await findAffected(reader, question), unaware: await findUnaware(reader, question) }
}
