import {
  activeSigner,
  algorithmOf,
  AUTHORITY_LIFETIME,
  authorityError,
  candidateSigner,
  isOfflineRoot,
  ROOT_LIFETIME,
  type ActiveSigner,
  type AuthorityKind,
  type AuthorityRecord,
} from '#authority/index.ts'
import { record } from '#audit/index.ts'
import { issuanceError, prepareAuthorityCertificate, sign } from '#issuance/index.ts'
import { isWritError } from '#kernel/errors.ts'
import { newId } from '#kernel/ids.ts'
import { after, type Instant } from '#kernel/instant.ts'
import type { Signer } from '#kernel/signer.ts'
import { jwkFromSpki, thumbprint } from '#jwt/index.ts'
import { publishedCrl } from './ceremony/locations.ts'
import type { AuthorityPorts } from './issuance-ports.ts'
import type { Change, Commit } from './ports.ts'
import { recordIntent, recordIssued } from './record-certificate.ts'

export interface PrepareAuthorityOrder {
  readonly actor: string
  readonly kind: AuthorityKind
}

type PreparePorts = Omit<AuthorityPorts, 'authorities'>

/**
 * A new authority in state `prepared`, seen by nobody yet. One with a certificate is self-signed, or signed by the
 * root where there is one; a crash leaves a record without certificate, which rotation retires.
 * @throws CLOCK_…, KEY_…, AUTHORITY_ROOT_UNAVAILABLE, what `prepareAuthorityCertificate` and `sign` throw
 */
export async function prepareAuthority(ports: PreparePorts, order: PrepareAuthorityOrder): Promise<AuthorityRecord> {
  // 1. The clock is right.
  const now = await ports.clockGuard.check()
  // 2. Make a key in its home.
  const id = newId('authority', now, ports.random)
  const name = `${order.kind}-${id.replace('_', '-')}`
  const { reference, signer } = await ports.keys.generate(name, algorithmOf(order.kind), order.kind)
  const draft = draftOf({ id, kind: order.kind, keyReference: reference, signer, now })
  // 3. A token key is recorded and done; an X.509 authority gets its certificate like any other.
  if (order.kind === 'x509' || order.kind === 'x509-root') return certify(ports, { ...order, draft, signer })
  await recordToken(ports, order.actor, draft)
  return draft
}

export interface DraftFields {
  readonly id: string
  readonly kind: AuthorityKind
  readonly keyReference: string
  readonly signer: Pick<Signer, 'algorithm' | 'publicKey'>
  readonly now: Instant
}

export function draftOf({ id, kind, keyReference, signer, now }: DraftFields): AuthorityRecord {
  return {
    id,
    kind,
    algorithm: signer.algorithm,
    keyReference,
    publicKey: signer.publicKey,
    kid: thumbprint(jwkFromSpki(signer.publicKey)),
    certificate: null,
    issuer: null,
    state: 'prepared',
    notBefore: now,
    notAfter: after(now, kind === 'x509-root' ? ROOT_LIFETIME : AUTHORITY_LIFETIME),
    version: 1,
    createdAt: now,
    publishedAt: null,
    activatedAt: null,
    retiredAt: null,
  }
}

interface Certification extends PrepareAuthorityOrder {
  readonly draft: AuthorityRecord
  readonly signer: Signer
}

/** The points of promise 1, for the certificate of an authority. */
async function certify(ports: PreparePorts, { actor, draft, signer }: Certification): Promise<AuthorityRecord> {
  const { journal, profile, random } = ports
  // 3.1 Build the certificate, and lint it.
  const root = draft.kind === 'x509-root' ? null : await openRoot(ports)
  const made = prepareAuthorityCertificate({
    candidate: candidateSigner(draft, signer),
    root,
    crl: root === null ? null : publishedCrl(profile, root),
    lifetime: draft.notAfter - draft.notBefore,
    issuance: profile,
    issuedAt: draft.createdAt,
    random,
  })
  const { notBefore, notAfter } = made.record
  const intended: AuthorityRecord = { ...draft, issuer: root?.authorityId ?? null, notBefore, notAfter }
  // 3.2 Commit the intent: the authority without certificate, the certificate unsigned, the audit leaf.
  const receipt = await recordIntent(journal, {
    made,
    leaf: { ...preparedLeaf(actor), commitments: { prepared: draft.id, kid: draft.kid } },
    guards: [],
    changes: [insertOf(intended)],
  })
  // 3.3 Sign, verify, compare, lint.
  const issued = await sign(made.prepared, receipt)
  // 3.4 Commit issued, and the certificate into the authority.
  const complete = { ...intended, certificate: issued.certificate.der, version: intended.version + 1 }
  await recordIssued(journal, issued, { actor, changes: [completionOf(complete)] })
  return complete
}

/** The root that signs issuing authorities, its key open; null when the trust domain is self-rooted. */
async function openRoot({ reader, keys }: PreparePorts): Promise<ActiveSigner | null> {
  const root = await reader.find('Authority', { kind: 'x509-root', state: 'active' })
  if (root === null) return null
  if (isOfflineRoot(root)) throw authorityError('AUTHORITY_ROOT_UNAVAILABLE', { details: { authority: root.id } })
  try {
    return activeSigner(root, await keys.open(root.keyReference, root.publicKey))
  } catch (cause) {
    if (!isWritError(cause, 'KEY_NOT_FOUND', 'KEY_UNUSABLE')) throw cause
    throw authorityError('AUTHORITY_ROOT_UNAVAILABLE', { details: { authority: root.id }, cause })
  }
}

async function recordToken({ journal }: PreparePorts, actor: string, draft: AuthorityRecord): Promise<void> {
  await record<Commit>(journal, {
    lock: 'none',
    guards: [],
    changes: [insertOf(draft)],
    leaf: {
      ...preparedLeaf(actor),
      object: `authority:${draft.id}`,
      decision: 'permit',
      commitments: { kid: draft.kid },
    },
    events: [],
  })
}

function preparedLeaf(actor: string): Pick<Commit['leaf'], 'type' | 'actor' | 'inputDigest' | 'policy'> {
  return { type: 'authority.prepared', actor, inputDigest: null, policy: null }
}

export function insertOf(row: AuthorityRecord): Change {
  const refuse = () => authorityError('AUTHORITY_CHANGED', { details: { authority: row.id } })
  return { op: 'insert', table: 'Authority', row, refuse }
}

function completionOf({ id, certificate, version }: AuthorityRecord): Change {
  return {
    op: 'update',
    table: 'Authority',
    where: { id, state: 'prepared', version: version - 1 },
    set: { certificate, version },
    refuse: () => issuanceError('ISSUANCE_INTERRUPTED', { details: { authority: id } }),
  }
}
