import type { Role } from '#authentication/index.ts'
import type { CertificateRecord } from '#issuance/index.ts'
import { isWritError } from '#kernel/errors.ts'
import { parseId } from '#kernel/ids.ts'
import type { Instant } from '#kernel/instant.ts'
import { administers, parseAgentName } from '#registry/index.ts'
import {
  REACH,
  revocationError,
  type CutoffKind,
  type RevocationHandle,
  type RevocationReason,
} from '#revocation/index.ts'
import { SpiffeId } from '#spiffe/index.ts'
import { listingOf } from '../crl/list-certificate.ts'
import type { Change, Reader } from '../ports.ts'
import { isSelectorShown } from './selectors.ts'

export interface RevocationRequest {
  readonly handle: RevocationHandle
  /** A serial or digest in hex, an id, an agent's name, a subject, a selector. */
  readonly value: string
  readonly reason: RevocationReason
}

/** X and T of a cutoff: what is dead, and how far. */
export interface Reached {
  readonly kind: CutoffKind
  readonly value: string
  readonly for: 'ever' | 'until-now'
}

/** What a handle stands for, as found. */
export interface Target {
  readonly request: RevocationRequest
  /** Null where one row's own state says all. */
  readonly cut: Reached | null
  /** Cut off besides, for ever: compromised keys. */
  readonly keys: readonly string[]
  /** Rows that say it of themselves. */
  readonly changes: readonly Change[]
  /** Done before: nothing of it would change. */
  readonly done: boolean
}

/** Keys of one instance that one revocation blocks at most; who has renewed more often has its newest blocked. */
const MAX_KEYS = 100

/** Who asks for what, and when. */
export interface Asked {
  readonly reader: Reader
  readonly caller: Rights
  readonly request: RevocationRequest
  readonly now: Instant
  /** Name of our own. */
  readonly trustDomain: string
}

/** Who is asked for a role: throws ROLE_REQUIRED without one of them. */
export interface Rights {
  requireRole(...roles: readonly Role[]): unknown
}

type Find = (asked: Asked) => Promise<Target>

/**
 * Finds what is to be revoked, and that the caller may.
 * @throws ROLE_REQUIRED, REVOCATION_TARGET_UNKNOWN, REVOCATION_VALUE_INVALID, REVOCATION_REASON_UNFIT
 */
export async function findTarget(asked: Asked): Promise<Target> {
  const { handle, reason } = asked.request
  asked.caller.requireRole(ROLES[handle] ?? 'operator')
  if (reason === 'ca_compromise' && handle !== 'authority') throw unfit(asked.request)
  return FINDERS[handle](asked)
}

/** Who takes back more than an operator may. */
const ROLES: Partial<Record<RevocationHandle, Role>> = { authority: 'ca-admin', 'trust-domain': 'admin' }

function unfit({ reason, handle }: RevocationRequest): Error {
  return revocationError('REVOCATION_REASON_UNFIT', { details: { reason, handle } })
}

const FINDERS: Readonly<Record<RevocationHandle, Find>> = {
  certificate: findCertificate,
  instance: findInstance,
  agent: findAgent,
  lineage: findLineage,
  key: findKey,
  authority: findAuthority,
  node: async ({ reader, request }) => found(request, await reader.find('Node', { id: request.value })),
  task: findTask,
  token: findToken,
  subject: findSubject,
  evidence: async ({ reader, request }) => {
    requireHex(request.value, 64)
    return found(request, await reader.find('Instance', { evidenceDigest: request.value }))
  },
  selector: async ({ reader, request }) => {
    if (!/^[a-z0-9_]+:[^:]+:./.test(request.value)) throw revocationError('REVOCATION_VALUE_INVALID')
    return found(request, (await isSelectorShown(reader, request.value)) ? {} : null)
  },
  // Whoever writes the name of it knows what they are doing.
  'trust-domain': ({ request, trustDomain }) =>
    Promise.resolve(found(request, request.value === trustDomain ? {} : null)),
}

/**
 * One that never signs again is cut off for ever: whoever has its key could write any time of issue into what it makes,
 * and under a root that stays nothing else would tell.
 */
async function findAuthority({ reader, request }: Asked): Promise<Target> {
  const authority = await reader.find('Authority', { id: request.value })
  const target = found(request, authority)
  const isOver = authority?.state === 'tainted' || authority?.state === 'retired'
  return isOver ? { ...target, cut: { ...REACH.authority, value: request.value, for: 'ever' } } : target
}

function target(request: RevocationRequest, parts: Partial<Target>): Target {
  const { kind, for: reach } = REACH[request.handle]
  return { request, cut: { kind, value: request.value, for: reach }, keys: [], changes: [], done: false, ...parts }
}

function found(request: RevocationRequest, row: object | null): Target {
  if (row === null) throw unknown()
  return target(request, {})
}

function unknown(): Error {
  return revocationError('REVOCATION_TARGET_UNKNOWN')
}

/**
 * A certificate takes with it whatever was renewed from it, and the instance that holds it: whoever has its key may have
 * renewed long ago. Only one that a newer one has superseded can be revoked alone.
 */
async function findCertificate({ reader, caller, request, now }: Asked): Promise<Target> {
  requireHex(request.value, 0)
  const certificate = await reader.find('Certificate', { serial: request.value, kind: 'svid' })
  if (certificate?.instance == null || certificate.lineage === null) throw unknown()
  await requireRightOver(reader, caller, certificate.agent)
  const row = revokedRow(certificate, request.reason, now)
  if (request.reason === 'superseded') {
    const newer = { renewed: certificate.serial, state: 'issued' } as const
    if (
      (await reader.list('Certificate', { where: { lineage: certificate.lineage, ...newer }, limit: 1 })).length === 0
    ) {
      throw unfit(request)
    }
    // Nothing else would tell the CRLs of a single one.
    const changes = row.length === 0 ? [] : [...row, ...(await listingOf(reader, certificate, request.reason, now))]
    return target(request, { cut: null, changes, done: row.length === 0 })
  }
  const keys = request.reason === 'key_compromise' ? [certificate.spkiHash] : []
  const cut = { ...REACH.certificate, value: certificate.lineage }
  return target(request, { cut, keys, changes: [...row, ...(await endInstance(reader, certificate.instance))] })
}

function revokedRow({ serial, state }: CertificateRecord, reason: string, now: Instant): readonly Change[] {
  if (state !== 'issued' && state !== 'intent') return []
  return [
    {
      op: 'update',
      table: 'Certificate',
      where: { serial, state },
      set: { state: 'revoked', revokedAt: now, reason },
      refuse: () => revocationError('CUTOFF_OUTDATED'),
    },
  ]
}

async function findInstance({ reader, caller, request }: Asked): Promise<Target> {
  const instance = await reader.find('Instance', { id: request.value })
  if (instance === null) throw unknown()
  await requireRightOver(reader, caller, instance.agent)
  const keys = request.reason === 'key_compromise' ? await keysOf(reader, { instance: instance.id }) : []
  return target(request, { keys, changes: await endInstance(reader, instance.id) })
}

async function endInstance(reader: Reader, id: string): Promise<readonly Change[]> {
  const instance = await reader.find('Instance', { id, state: 'active' })
  if (instance === null) return []
  const refuse = () => revocationError('CUTOFF_OUTDATED')
  return [{ op: 'update', table: 'Instance', where: { id, state: 'active' }, set: { state: 'revoked' }, refuse }]
}

async function keysOf(
  reader: Reader,
  where: { readonly instance: string } | { readonly lineage: string },
): Promise<readonly string[]> {
  const newest = { orderBy: 'issuedAt', direction: 'descending', limit: MAX_KEYS } as const
  const certificates = await reader.list('Certificate', { where, ...newest })
  return [...new Set(certificates.map(({ spkiHash }) => spkiHash))]
}

async function findAgent({ reader, caller, request }: Asked): Promise<Target> {
  const agent = isId('agent', request.value)
    ? await reader.find('Agent', { id: request.value })
    : await reader.find('Agent', { name: parseAgentName(request.value) })
  if (agent === null) throw unknown()
  if (administers(agent)) caller.requireRole('admin')
  return target(request, { cut: { ...REACH.agent, value: agent.id } })
}

async function findLineage({ reader, caller, request }: Asked): Promise<Target> {
  const instance = await reader.find('Instance', { lineage: request.value })
  if (instance === null) throw unknown()
  await requireRightOver(reader, caller, instance.agent)
  const keys = request.reason === 'key_compromise' ? await keysOf(reader, { lineage: request.value }) : []
  return target(request, { keys, changes: await endInstance(reader, instance.id) })
}

/** A compromised key may be blocked before anybody has come with it. */
async function findKey({ reader, request }: Asked): Promise<Target> {
  requireHex(request.value, 64)
  if (request.reason === 'key_compromise') return target(request, { cut: null, keys: [request.value] })
  return found(request, await reader.find('Certificate', { spkiHash: request.value }))
}

async function findTask({ reader, request }: Asked): Promise<Target> {
  return found(request, isId('task', request.value) ? await reader.find('Task', { id: request.value }) : null)
}

async function findToken({ reader, request, now }: Asked): Promise<Target> {
  const token = await reader.find('TaskToken', { jti: request.value })
  if (token === null) throw unknown()
  const { jti } = token
  const refuse = () => revocationError('CUTOFF_OUTDATED')
  if (token.revokedAt !== null) return target(request, {})
  const change = {
    op: 'update',
    table: 'TaskToken',
    where: { jti, revokedAt: null },
    set: { revokedAt: now },
    refuse,
  } as const
  return target(request, { changes: [change] })
}

async function findSubject({ reader, request }: Asked): Promise<Target> {
  if (!request.value.startsWith('user:')) SpiffeId.parse(request.value)
  return found(request, await reader.find('Task', { subject: request.value }))
}

/** Who takes something from a person who administers is an admin. */
async function requireRightOver(reader: Reader, caller: Rights, agentId: string | null): Promise<void> {
  const agent = agentId === null ? null : await reader.find('Agent', { id: agentId })
  if (agent !== null && administers(agent)) caller.requireRole('admin')
}

function requireHex(value: string, length: number): void {
  const fits = length === 0 ? value.length >= 2 && value.length <= 40 : value.length === length
  if (!fits || !/^[0-9a-f]+$/.test(value)) throw revocationError('REVOCATION_VALUE_INVALID')
}

function isId(kind: 'agent' | 'task', text: string): boolean {
  try {
    parseId(kind, text)
    return true
  } catch (error) {
    if (isWritError(error, 'INVALID_ID')) return false
    throw error
  }
}
