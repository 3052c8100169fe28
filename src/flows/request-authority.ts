import { authorityError, AWAITED_ISSUER, isAwaiting, type AuthorityRecord } from '#authority/index.ts'
import { record } from '#audit/index.ts'
import type { Bytes } from '#kernel/bytes.ts'
import { newId } from '#kernel/ids.ts'
import { createCsr } from '#x509/index.ts'
import type { AuthorityPorts } from './issuance-ports.ts'
import type { Commit } from './ports.ts'
import { draftOf, insertOf } from './prepare-authority.ts'

type RequestPorts = Omit<AuthorityPorts, 'authorities'>

/**
 * A new issuing authority whose certificate a ceremony is to sign: its key is made in its home, and waits. Nobody sees
 * it yet.
 * @throws CLOCK_…, KEY_…
 */
export async function requestAuthority(ports: RequestPorts, actor: string): Promise<AuthorityRecord> {
  // 1. The clock is right.
  const now = await ports.clockGuard.check()
  // 2. Make a key in its home.
  const id = newId('authority', now, ports.random)
  const { reference, signer } = await ports.keys.generate(`x509-${id.replace('_', '-')}`, 'ES256', 'x509')
  // 3. Write it down.
  const draft = draftOf({ id, kind: 'x509', keyReference: reference, signer, now })
  const awaiting: AuthorityRecord = { ...draft, issuer: AWAITED_ISSUER }
  await record<Commit>(ports.journal, {
    lock: 'none',
    guards: [],
    changes: [insertOf(awaiting)],
    leaf: {
      type: 'authority.requested',
      actor,
      object: `authority:${id}`,
      decision: 'permit',
      inputDigest: null,
      policy: null,
      commitments: { kid: awaiting.kid },
    },
    events: [],
  })
  return awaiting
}

/**
 * The request of an authority that waits for its certificate, signed by its key: what a ceremony takes. It can be made
 * again at any time.
 * @throws AUTHORITY_NOT_FOUND, AUTHORITY_TRANSITION when it does not wait, KEY_…
 */
export async function authorityRequest({ reader, keys, profile }: RequestPorts, id: string): Promise<Bytes> {
  const authority = await reader.find('Authority', { id })
  if (authority === null) throw authorityError('AUTHORITY_NOT_FOUND', { details: { authority: id } })
  if (!isAwaiting(authority)) throw authorityError('AUTHORITY_TRANSITION', { details: { state: authority.state } })
  const signer = await keys.open(authority.keyReference, authority.publicKey)
  return createCsr(signer, profile.trustDomain.id())
}
