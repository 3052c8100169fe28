import { attestationError, type Attested } from '#attestation/index.ts'
import { toHex, utf8 } from '#kernel/bytes.ts'
import { sha256 } from '#kernel/digest.ts'
import type { WritError } from '#kernel/errors.ts'
import { after, type Instant } from '#kernel/instant.ts'
import type { InstanceRecord, Registration } from '#registry/index.ts'
import { FOR_EVER, raiseCutoff, revocationNotice } from '#revocation/index.ts'
import type { CertificateRequest } from '#x509/index.ts'
import type { Change, Commit, Guard, OutboxEvent, Reader } from './ports.ts'
import { REPEATABLE } from './svid-answer.ts'

/** The place that a new instance takes, and what has to give way in the same commit. */
export interface Place {
  /** Unique among instances; null where any number of them may be. */
  readonly workload: string | null
  /** What the insertion of the instance is refused with when somebody else was faster. */
  readonly taken: () => WritError
  /** Who revokes takes the lock alone: nothing is issued to the old instance meanwhile. */
  readonly lock: Commit['lock']
  readonly guards: readonly Guard[]
  readonly changes: readonly Change[]
  readonly events: readonly OutboxEvent[]
  readonly commitments: Readonly<Record<string, string>>
}

const used = (): WritError => attestationError('EVIDENCE_USED')
const changed = (): WritError => attestationError('WORKLOAD_CHANGED')

const FREE = { lock: 'issue', guards: [], changes: [], events: [], commitments: {} } as const

/**
 * Evidence that is good once takes a place that nobody ever leaves. Evidence of a workload takes the place of the
 * agent's old instance, which is cut off for ever, its certificates with it (promise 3).
 */
export async function placeFor(
  reader: Reader,
  attested: Attested,
  registration: Registration,
  by: { readonly at: Instant; readonly otherwise: () => WritError },
): Promise<Place> {
  const { workload } = attested
  if (workload === null) return { ...FREE, workload: null, taken: by.otherwise }
  if (workload.rule === 'once') return { ...FREE, workload: workload.key, taken: used }
  const { agent, spiffeId } = registration
  const key = toHex(sha256(utf8(`${workload.key}\n${agent.id}`)))
  const old = await reader.find('Instance', { workload: key })
  const place = { workload: key, taken: changed }
  if (old === null) return { ...FREE, ...place }
  if (old.state !== 'active') return { ...FREE, ...place, changes: [leave(old, {})] }
  return { ...place, ...(await ending(reader, old, { actor: spiffeId.toString(), at: by.at })) }
}

async function ending(
  reader: Reader,
  old: InstanceRecord,
  by: { readonly actor: string; readonly at: Instant },
): Promise<Omit<Place, 'workload' | 'taken'>> {
  const cut = { kind: 'instance', value: old.id, before: FOR_EVER, reason: 'superseded' } as const
  const { guard, change } = raiseCutoff(cut, by, changed)
  return {
    lock: 'revoke',
    guards: [guard],
    changes: [leave(old, { state: 'superseded' }), change, ...(await revoking(reader, old, by.at))],
    events: [
      {
        type: 'instance.superseded',
        data: { instance: old.id, agent: old.agent, ...revocationNotice(by.at, [change.row]) },
      },
    ],
    commitments: { superseded: old.id },
  }
}

/** Of two who want the same place at once, this update finds the old instance in it for one. */
function leave({ id, workload, state }: InstanceRecord, set: Partial<InstanceRecord>): Change {
  const where = { id, workload, state }
  return { op: 'update', table: 'Instance', where, set: { ...set, workload: null }, refuse: changed }
}

async function revoking(reader: Reader, { id }: InstanceRecord, at: Instant): Promise<readonly Change[]> {
  const where = { instance: id, state: { in: ['intent', 'issued'] } } as const
  if ((await reader.find('Certificate', where)) === null) return []
  const set = { state: 'revoked', revokedAt: at, reason: 'superseded' } as const
  return [{ op: 'update', table: 'Certificate', where, set, refuse: changed }]
}

/** A request that may have been answered before. */
export interface Asked {
  readonly attested: Attested
  readonly request: CertificateRequest
  /** Of the evidence and the request together. */
  readonly key: string
}

/**
 * The instance that the same evidence has made for the same request, whose answer was lost (promise 14); null when
 * there is none, and evidence that is good once has not been used. @throws EVIDENCE_USED
 */
export async function earlierInstance(reader: Reader, { attested, request, key }: Asked): Promise<string | null> {
  const { workload, consumption, at } = attested
  if (consumption !== null) return consumption.redeemedFor
  if (workload === null) return null
  const answered = await reader.find('Certificate', { idempotencyKey: key })
  if (answered !== null && at < after(answered.issuedAt, REPEATABLE)) return answered.instance
  const user = workload.rule === 'once' ? await reader.find('Instance', { workload: workload.key }) : null
  if (user === null) return null
  if (at < after(user.createdAt, REPEATABLE) && (await wasGivenUp(reader, user, request))) return user.id
  throw used()
}

/** Recorded for this key, and never signed. */
async function wasGivenUp(reader: Reader, { id }: InstanceRecord, request: CertificateRequest): Promise<boolean> {
  const rows = await reader.list('Certificate', { where: { instance: id }, limit: 10 })
  const spkiHash = toHex(request.publicKey.spkiHash)
  return rows.every((row) => row.state === 'abandoned' && row.spkiHash === spkiHash)
}
