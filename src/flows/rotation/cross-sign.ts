import {
  activeSigner,
  authorityError,
  candidateSigner,
  isOfflineRoot,
  type ActiveSigner,
  type AuthorityRecord,
  type CrossCertificate,
} from '#authority/index.ts'
import { prepareCrossCertificate, sign } from '#issuance/index.ts'
import { toHex } from '#kernel/bytes.ts'
import { isWritError } from '#kernel/errors.ts'
import { parsePublicKey } from '#x509/index.ts'
import { publishedCrl } from '../ceremony/locations.ts'
import type { AuthorityPorts } from '../issuance-ports.ts'
import type { Guard, Keys, Reader } from '../ports.ts'
import { recordIntent, recordIssued } from '../record-certificate.ts'

export interface CrossSigning {
  readonly actor: string
  /** The next root, with its certificate, before it is published or activated. */
  readonly candidate: AuthorityRecord
  readonly records: readonly AuthorityRecord[]
}

/**
 * Lets the present root certify the key of the next one, if it has not done so: a client that knows only the present
 * root then finds its way to everything under the next one. Nothing happens under a root that only a ceremony opens.
 * @throws AUTHORITY_ROOT_UNAVAILABLE, AUTHORITY_CHANGED, KEY_…, what `prepareCrossCertificate` and `sign` throw
 */
export async function crossSign(
  ports: Omit<AuthorityPorts, 'authorities'>,
  { actor, candidate, records }: CrossSigning,
): Promise<void> {
  const { reader, journal, profile, random, clockGuard, keys } = ports
  const present = records.find(({ kind, state }) => kind === 'x509-root' && state === 'active')
  if (present === undefined || present.id === candidate.id) return
  if (isOfflineRoot(present) || isOfflineRoot(candidate)) return
  if ((await crossesOf(reader, candidate)).some(({ issuer }) => issuer === present.id)) return
  // 1. The clock is right, and both keys are at hand.
  const issuedAt = await clockGuard.check()
  const root = await openRoot(keys, present)
  const signer = candidateSigner(candidate, await keys.open(candidate.keyReference, candidate.publicKey))
  // 2. Build it, and lint it.
  const crl = publishedCrl(profile, root)
  const made = prepareCrossCertificate({ candidate: signer, root, crl, issuance: profile, issuedAt, random })
  // 3. Commit the intent with its audit leaf, as long as the root still signs.
  const receipt = await recordIntent(journal, {
    made,
    leaf: { type: 'certificate.intent', actor, inputDigest: null, policy: null, commitments: { cross: candidate.id } },
    guards: [stillSigns(present)],
    changes: [],
  })
  // 4. Sign, verify, compare, lint.
  const issued = await sign(made.prepared, receipt)
  // 5. Commit issued.
  await recordIssued(journal, issued, { actor, changes: [] })
}

/** Certificates of a root's key that other roots of ours have signed. */
export async function crossesOf(reader: Reader, root: AuthorityRecord): Promise<readonly CrossCertificate[]> {
  const spkiHash = toHex(parsePublicKey(root.publicKey).spkiHash)
  const rows = await reader.list('Certificate', {
    where: { spkiHash, kind: 'authority', state: 'issued' },
    limit: 100,
  })
  return rows.flatMap(({ authority, der }) =>
    authority === root.id || der === null ? [] : [{ subject: root.id, issuer: authority, certificate: der }],
  )
}

async function openRoot(keys: Keys, root: AuthorityRecord): Promise<ActiveSigner> {
  try {
    return activeSigner(root, await keys.open(root.keyReference, root.publicKey))
  } catch (cause) {
    if (!isWritError(cause, 'KEY_NOT_FOUND', 'KEY_UNUSABLE')) throw cause
    throw authorityError('AUTHORITY_ROOT_UNAVAILABLE', { details: { authority: root.id }, cause })
  }
}

function stillSigns({ id }: AuthorityRecord): Guard {
  const refuse = () => authorityError('AUTHORITY_CHANGED', { details: { authority: id } })
  return { table: 'Authority', must: 'exist', where: { id, state: 'active' }, refuse }
}
