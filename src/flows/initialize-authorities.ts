import {
  AuthoritySet,
  authorityError,
  CurrentAuthorities,
  requireAuthority,
  type AuthorityRecord,
} from '#authority/index.ts'
import { record } from '#audit/index.ts'
import type { Bytes } from '#kernel/bytes.ts'
import { newId } from '#kernel/ids.ts'
import { parseCertificate } from '#x509/index.ts'
import type { AuthorityPorts } from './issuance-ports.ts'
import { listAuthorities, loadAuthorities } from './load-authorities.ts'
import type { Commit } from './ports.ts'
import { draftOf, insertOf, prepareAuthority } from './prepare-authority.ts'
import { rotateAuthorities } from './rotate-authorities.ts'
import { transitionAuthority } from './transition-authority.ts'

export type InitializeAuthoritiesOptions =
  | { readonly mode: 'self-rooted' }
  | { readonly mode: 'rooted'; readonly root: 'generate' }
  /** A root of one's own: its certificate (DER), and a reference to its key that the key port opens. */
  | { readonly mode: 'rooted'; readonly root: { readonly certificate: Bytes; readonly keyReference: string } }

export interface InitializeAuthoritiesOrder {
  readonly actor: string
  readonly options: InitializeAuthoritiesOptions
}

/**
 * The first authorities of a trust domain; of what is there already nothing is made again, so that it can be repeated
 * after a crash.
 * @throws AUTHORITY_MODE when the store holds authorities of the other mode, AUTHORITY_CERTIFICATE_INVALID,
 * AUTHORITY_KEY_MISMATCH, AUTHORITY_EXPIRED, and as `rotateAuthorities`
 */
export async function initializeAuthorities(
  ports: Omit<AuthorityPorts, 'authorities'>,
  { actor, options }: InitializeAuthoritiesOrder,
): Promise<CurrentAuthorities> {
  const { trustDomain } = ports.profile
  // 1. What is there must be of the mode that is asked for.
  const records = await listAuthorities(ports.reader)
  const present = AuthoritySet.of({ trustDomain, records, signers: new Map() })
  if (records.some(({ kind }) => kind.startsWith('x509')) && present.mode !== options.mode) {
    throw authorityError('AUTHORITY_MODE', { details: { mode: present.mode } })
  }
  const all = { ...ports, authorities: new CurrentAuthorities(present) }
  // 2. In rooted mode the root comes first.
  if (options.mode === 'rooted') await establishRoot(all, actor, { options, records })
  // 3. The rest are the normal steps of a rotation from nothing.
  await rotateAuthorities(all, actor)
  // 4. Each kind has an authority that signs now.
  all.authorities.replace(await loadAuthorities(ports))
  return all.authorities
}

interface RootSituation {
  readonly options: Extract<InitializeAuthoritiesOptions, { mode: 'rooted' }>
  readonly records: readonly AuthorityRecord[]
}

async function establishRoot(ports: AuthorityPorts, actor: string, { options, records }: RootSituation): Promise<void> {
  const roots = records.filter(({ kind, certificate }) => kind === 'x509-root' && certificate !== null)
  if (roots.some(({ state }) => state === 'active')) return
  const begun = roots.find(({ state }) => state === 'prepared' || state === 'published')
  const root = begun ?? (await makeRoot(ports, actor, options))
  if (root.state === 'prepared') await transitionAuthority(ports, { actor, id: root.id, step: 'publish' })
  await transitionAuthority(ports, { actor, id: root.id, step: 'activate' })
}

async function makeRoot(
  ports: AuthorityPorts,
  actor: string,
  { root }: RootSituation['options'],
): Promise<AuthorityRecord> {
  if (root === 'generate') return prepareAuthority(ports, { actor, kind: 'x509-root' })
  return importRoot(ports, actor, root)
}

/** Takes a root of the operator's into the trust domain; what it signed elsewhere is none of our business. */
async function importRoot(
  ports: AuthorityPorts,
  actor: string,
  { certificate: der, keyReference }: { readonly certificate: Bytes; readonly keyReference: string },
): Promise<AuthorityRecord> {
  const now = await ports.clockGuard.check()
  const certificate = parseCertificate(der)
  const signer = await ports.keys.open(keyReference)
  requireAuthority(certificate, signer)
  // An issuing authority must fit below it.
  if (certificate.extension('basicConstraints')?.pathLength === 0) throw authorityError('AUTHORITY_CERTIFICATE_INVALID')
  const { notBefore, notAfter } = certificate
  if (now < notBefore || now >= notAfter) throw authorityError('AUTHORITY_EXPIRED')
  const id = newId('authority', now, ports.random)
  const draft = draftOf({ id, kind: 'x509-root', keyReference, signer, now })
  const root = { ...draft, certificate: der, notBefore, notAfter }
  await record<Commit>(ports.journal, {
    lock: 'none',
    guards: [],
    changes: [insertOf(root)],
    leaf: {
      type: 'authority.imported',
      actor,
      object: `authority:${id}`,
      decision: 'permit',
      inputDigest: null,
      policy: null,
      commitments: { kid: root.kid },
    },
    events: [],
  })
  return root
}
