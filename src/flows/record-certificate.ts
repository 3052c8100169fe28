import { record, type LeafDraft, type Receipt } from '#audit/index.ts'
import { issuanceError, type Issued, type PreparedCertificate } from '#issuance/index.ts'
import { toHex } from '#kernel/bytes.ts'
import type { Change, Commit, Guard, Journal } from './ports.ts'

/** What a story knows of an intent beside the certificate itself. */
export interface Intent {
  readonly made: PreparedCertificate
  readonly leaf: Pick<LeafDraft, 'type' | 'actor' | 'inputDigest' | 'policy'> &
    Partial<Pick<LeafDraft, 'commitments' | 'private'>>
  readonly guards: readonly Guard[]
  readonly changes: readonly Change[]
  readonly lock?: Commit['lock']
  readonly events?: Commit['events']
}

/**
 * Writes down durably that a certificate is going to be signed: its row in state `intent`, the story's own changes and
 * the audit leaf, all or nothing. The receipt is for this very certificate.
 * @throws the refusals of the guards and changes, ISSUANCE_REPEATED
 */
export async function recordIntent(
  journal: Journal,
  { lock, made, leaf, guards, changes, events }: Intent,
): Promise<Receipt> {
  const { prepared, record: row } = made
  const refuse = () => issuanceError('ISSUANCE_REPEATED', { details: { serial: row.serial } })
  return record<Commit>(journal, {
    lock: lock ?? 'issue',
    guards,
    changes: [...changes, { op: 'insert', table: 'Certificate', row, refuse }],
    leaf: {
      ...leaf,
      object: prepared.object,
      decision: 'permit',
      commitments: { ...leaf.commitments, authority: row.authority, ...prepared.commitments },
    },
    events: events ?? [],
  })
}

/**
 * Writes down that the certificate exists, if its intent still stands. Who loses against a revocation or a reconciler
 * has a signature that must not leave.
 * @throws ISSUANCE_INTERRUPTED
 */
export async function recordIssued(
  journal: Journal,
  { record: row, certificate }: Issued,
  {
    actor,
    changes,
    commitments = {},
  }: {
    readonly actor: string
    readonly changes: readonly Change[]
    readonly commitments?: LeafDraft['commitments']
  },
): Promise<void> {
  const { serial } = row
  const refuse = () => issuanceError('ISSUANCE_INTERRUPTED', { details: { serial } })
  await record<Commit>(journal, {
    lock: 'issue',
    guards: [],
    changes: [
      {
        op: 'update',
        table: 'Certificate',
        where: { serial, state: 'intent' },
        set: { state: 'issued', der: row.der },
        refuse,
      },
      ...changes,
    ],
    leaf: {
      type: 'certificate.issued',
      actor,
      object: `certificate:${serial}`,
      decision: 'permit',
      inputDigest: null,
      policy: null,
      commitments: { ...commitments, certificate: `sha-256:${toHex(certificate.fingerprint)}` },
    },
    events: [{ type: 'certificate.issued', data: { serial, instance: row.instance } }],
  })
}
