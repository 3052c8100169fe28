import { AuthoritySet, authorityError, CurrentAuthorities, type AuthorityRecord } from '#authority/index.ts'
import type { Bytes } from '#kernel/bytes.ts'
import type { AuthorityPorts } from './issuance-ports.ts'
import { listAuthorities, loadAuthorities } from './load-authorities.ts'
import { importRoot } from './import-root.ts'
import { prepareAuthority } from './prepare-authority.ts'
import { requestAuthority } from './request-authority.ts'
import { rotateAuthorities } from './rotate-authorities.ts'
import { transitionAuthority } from './transition-authority.ts'

export type InitializeAuthoritiesOptions =
  | { readonly mode: 'self-rooted' }
  | { readonly mode: 'rooted'; readonly root: 'generate' }
  /** A root of one's own: its certificate (DER), and a reference to its key that the key port opens. */
  | { readonly mode: 'rooted'; readonly root: { readonly certificate: Bytes; readonly keyReference: string } }
  /** A root that only a ceremony opens: its certificate (DER), or null before the first ceremony. */
  | { readonly mode: 'rooted'; readonly root: { readonly certificate: Bytes | null; readonly keyReference: null } }

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
  // 3. Under one that is not at hand, issuing authorities are asked for: one to sign, and one to follow it.
  if (isOffline(options) && !records.some(({ kind }) => kind === 'x509')) {
    await requestAuthority(all, actor)
    await requestAuthority(all, actor)
  }
  // 4. The rest are the normal steps of a rotation from nothing.
  await rotateAuthorities(all, { actor })
  // 5. Each kind has an authority that signs now, but for what a ceremony has yet to sign.
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
  if (root === null) return
  if (root.state === 'prepared') await transitionAuthority(ports, { actor, id: root.id, step: 'publish' })
  await transitionAuthority(ports, { actor, id: root.id, step: 'activate' })
}

async function makeRoot(
  ports: AuthorityPorts,
  actor: string,
  { root }: RootSituation['options'],
): Promise<AuthorityRecord | null> {
  if (root === 'generate') return prepareAuthority(ports, { actor, kind: 'x509-root' })
  if (root.certificate === null) return null
  return importRoot(ports, actor, { ...root, certificate: root.certificate })
}

function isOffline(options: InitializeAuthoritiesOptions): boolean {
  return options.mode === 'rooted' && options.root !== 'generate' && options.root.keyReference === null
}
