import {
  authorityError,
  DELEGATE_LIFETIME,
  dueDelegates,
  type AuthorityRecord,
  type AuthorityState,
  type DelegateStep,
} from '#authority/index.ts'
import { record } from '#audit/index.ts'
import { prepareResponderCertificate, PROFILES, sign } from '#issuance/index.ts'
import { isWritError } from '#kernel/errors.ts'
import { newId } from '#kernel/ids.ts'
import type { Instant } from '#kernel/instant.ts'
import { parseCertificate, parsePublicKey } from '#x509/index.ts'
import { ownGuards } from './issuance-guards.ts'
import type { AuthorityPorts } from './issuance-ports.ts'
import { listAuthorities, refreshAuthorities } from './load-authorities.ts'
import { isTakenBack } from './ocsp/delegates.ts'
import type { Change, Reader } from './ports.ts'
import { draftOf, insertOf } from './prepare-authority.ts'
import { recordIntent, recordIssued } from './record-certificate.ts'
import { openStatusSigner } from './status-signer.ts'

export interface DelegatesReport {
  /** How many steps were taken. */
  readonly taken: number
  /** Why one could not be taken; the responders that there are go on, and it is tried again next time. */
  readonly failed: readonly unknown[]
}

/** Who may delegate: also one that signs nothing else any more. */
const ISSUERS: readonly AuthorityState[] = ['published', 'active', 'retiring', 'retired', 'tainted']

/**
 * Sees to it that every issuing authority whose certificates may be alive has an OCSP responder: makes the next one in
 * time, retires what nobody needs. Run every few seconds by whoever holds the lease; a crash anywhere leaves a state
 * from which the next run goes on. One authority's trouble is not another's.
 * @throws what the reader throws
 */
export async function keepDelegates(ports: AuthorityPorts, actor = 'system'): Promise<DelegatesReport> {
  const { reader, clock } = ports
  // 1. Look at what there is, and what is due.
  const records = await listAuthorities(reader)
  const facts = { records, now: clock.now(), longestLeaf: PROFILES.svid.mostLifetime }
  const steps = dueDelegates({ ...facts, dead: await deadOf(reader, records) })
  if (steps.length === 0) return { taken: 0, failed: [] }
  // 2. Take each step.
  const failed: unknown[] = []
  for (const step of steps) {
    const failure = await take(ports, actor, step)
    if (failure !== null && !isWritError(failure, 'AUTHORITY_CHANGED')) failed.push(failure)
  }
  // 3. Answer by the new ones from now on.
  await refreshAuthorities(ports)
  return { taken: steps.length - failed.length, failed }
}

async function deadOf(reader: Reader, records: readonly AuthorityRecord[]): Promise<ReadonlySet<string>> {
  const dead = new Set<string>()
  for (const { id, kind, state, certificate } of records) {
    if (kind !== 'ocsp' || state !== 'active' || certificate === null) continue
    if (await isTakenBack(reader, parseCertificate(certificate))) dead.add(id)
  }
  return dead
}

/** Takes a step, or says why it could not be taken. */
async function take(ports: AuthorityPorts, actor: string, step: DelegateStep): Promise<unknown> {
  try {
    if (step.step === 'make') await makeDelegate(ports, actor, step)
    else await retireDelegate(ports, actor, step.delegate)
    return null
  } catch (error) {
    return error
  }
}

/** The points of promise 1, for the certificate of a responder. */
async function makeDelegate(
  ports: AuthorityPorts,
  actor: string,
  { issuer, replaces }: Extract<DelegateStep, { step: 'make' }>,
): Promise<void> {
  const { journal, profile, random } = ports
  // 1. The clock is right.
  const now = await ports.clockGuard.check()
  // 2. The issuer's own key comes first: without it nothing is begun.
  const signer = await openStatusSigner(ports, issuer.id)
  // 3. A key in its home.
  const id = newId('authority', now, random)
  const made = await ports.keys.generate(`ocsp-${id.replace('_', '-')}`, 'ES256', 'ocsp')
  // 4. Build the certificate, and lint it.
  const publicKey = parsePublicKey(made.signer.publicKey)
  const lifetime = DELEGATE_LIFETIME
  const certificate = prepareResponderCertificate({
    signer,
    publicKey,
    lifetime,
    issuance: profile,
    issuedAt: now,
    random,
  })
  const { notBefore, notAfter } = certificate.record
  const draft = draftOf({ id, kind: 'ocsp', keyReference: made.reference, signer: made.signer, now })
  const intended: AuthorityRecord = { ...draft, issuer: issuer.id, notBefore, notAfter }
  // 5. Commit the intent: the responder without certificate, the certificate unsigned, the audit leaf.
  const receipt = await recordIntent(journal, {
    made: certificate,
    leaf: {
      type: 'authority.prepared',
      actor,
      inputDigest: null,
      policy: null,
      commitments: { prepared: id, kid: draft.kid },
    },
    guards: ownGuards(profile, certificate.record, ISSUERS),
    changes: [insertOf(intended)],
  })
  // 6. Sign, verify, compare, lint.
  const issued = await sign(certificate.prepared, receipt)
  // 7. Commit issued: it answers from now on, and the one before it no more.
  await recordIssued(journal, issued, {
    actor,
    changes: [
      activationOf(intended, issued.certificate.der, now),
      ...(replaces === null ? [] : [retirementOf(replaces, now)]),
    ],
    commitments: { activated: id, ...(replaces === null ? {} : { retired: replaces.id }) },
  })
}

function activationOf({ id, version }: AuthorityRecord, certificate: Uint8Array, now: Instant): Change {
  return {
    op: 'update',
    table: 'Authority',
    where: { id, state: 'prepared', version },
    set: { certificate, state: 'active', publishedAt: now, activatedAt: now, version: version + 1 },
    refuse: () => authorityError('AUTHORITY_CHANGED', { details: { authority: id } }),
  }
}

/** What it signed is verified by the certificate that goes along with it: nothing has to wait. */
function retirementOf({ id, state, version }: AuthorityRecord, now: Instant): Change {
  return {
    op: 'update',
    table: 'Authority',
    where: { id, state, version },
    set: { state: 'retired', retiredAt: now, version: version + 1 },
    refuse: () => authorityError('AUTHORITY_CHANGED', { details: { authority: id } }),
  }
}

async function retireDelegate(ports: AuthorityPorts, actor: string, delegate: AuthorityRecord): Promise<void> {
  const now = await ports.clockGuard.check()
  await record(ports.journal, {
    lock: 'none',
    guards: [],
    changes: [retirementOf(delegate, now)],
    leaf: {
      type: 'authority.retire',
      actor,
      object: `authority:${delegate.id}`,
      decision: 'permit',
      inputDigest: null,
      policy: null,
      commitments: { [delegate.id]: 'retired' },
    },
    events: [{ type: 'authority.changed', data: { id: delegate.id, kind: 'ocsp', state: 'retired' } }],
  })
}
