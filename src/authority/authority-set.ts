import { toHex, type Bytes } from '#kernel/bytes.ts'
import type { Signer } from '#kernel/signer.ts'
import { encodeJwks, jwkFromSpki, KeySet, verificationKeyFromSpki, type JwkSet } from '#jwt/index.ts'
import { Bundle, type BundleEntry, type TrustDomain } from '#spiffe/index.ts'
import { parseCertificate, parsePublicKey, type Certificate } from '#x509/index.ts'
import { authorityError } from './errors.ts'
import type { AuthorityKind, AuthorityRecord } from './records.ts'
import { activeSigner, type ActiveSigner } from './signing-authority.ts'
import { isTrusted } from './states.ts'
import { REFRESH_HINT_SECONDS } from './thresholds.ts'

/** The kinds of keys that tokens are verified with. */
export type JwksKind = 'access-token' | 'jwt-svid' | 'wit-svid' | 'status' | 'events'

/** Self-rooted: the issuing authorities are the anchors. Rooted: their root is. */
export type AuthorityMode = 'self-rooted' | 'rooted'

export interface AuthoritySetFields {
  readonly trustDomain: TrustDomain
  /** Every authority that there ever was. */
  readonly records: readonly AuthorityRecord[]
  /** The keys that are at hand, by id of their authority. */
  readonly signers: ReadonlyMap<string, Signer>
  /** Roots of ours signed by other roots of ours. */
  readonly crossCertificates?: readonly CrossCertificate[]
}

/** A root's key certified by another root, so that who knows only that one can verify what is under it. */
export interface CrossCertificate {
  /** Id of the root whose key it certifies. */
  readonly subject: string
  /** Id of the root that signed it. */
  readonly issuer: string
  /** DER. */
  readonly certificate: Bytes
}

/** Whom somebody trusts who verifies a certificate, and what may be between. */
export interface Trusted {
  readonly anchors: readonly Certificate[]
  readonly intermediates: readonly Certificate[]
}

/** All authorities of the trust domain as they were at one moment. Never changes; whoever sees a change makes a new one. */
export class AuthoritySet {
  readonly trustDomain: TrustDomain
  readonly records: readonly AuthorityRecord[]
  readonly mode: AuthorityMode
  readonly #active: ReadonlyMap<AuthorityKind, ActiveSigner>
  readonly #certificates: ReadonlyMap<string, Certificate>
  readonly #crosses: readonly CrossCertificate[]
  readonly #ownKeys: ReadonlySet<string>
  readonly #bundle: Bundle
  readonly #keySets = new Map<JwksKind, KeySet>()

  private constructor(fields: AuthoritySetFields) {
    this.trustDomain = fields.trustDomain
    this.records = fields.records
    this.mode = fields.records.some(isRootedRecord) ? 'rooted' : 'self-rooted'
    this.#active = activeSigners(fields)
    this.#certificates = certificatesOf(fields.records)
    this.#crosses = fields.crossCertificates ?? []
    this.#ownKeys = new Set(fields.records.map(({ publicKey }) => toHex(parsePublicKey(publicKey).spkiHash)))
    this.#bundle = this.#makeBundle()
  }

  /**
   * @throws AUTHORITY_KEY_MISMATCH when a key is not the one of its record or certificate, or serves two authorities;
   * AUTHORITY_CERTIFICATE_INVALID; AUTHORITY_CHANGED when a kind has two active authorities
   */
  static of(fields: AuthoritySetFields): AuthoritySet {
    return new AuthoritySet(fields)
  }

  /** @throws AUTHORITY_NOT_ACTIVE when the kind has no active authority, or its key is not at hand */
  active(kind: AuthorityKind): ActiveSigner {
    const signer = this.#active.get(kind)
    if (signer === undefined) throw authorityError('AUTHORITY_NOT_ACTIVE', { details: { kind } })
    return signer
  }

  find(id: string): AuthorityRecord | null {
    return this.records.find((record) => record.id === id) ?? null
  }

  /** What others must trust: the X.509 authorities of the SPIFFE bundle. */
  anchors(): readonly Certificate[] {
    return this.#trusted(this.mode === 'rooted' ? 'x509-root' : 'x509')
  }

  /** The certificates between a leaf and an anchor; none when self-rooted. */
  intermediates(): readonly Certificate[] {
    return this.mode === 'rooted' ? this.#trusted('x509') : []
  }

  /**
   * Whom we believe about a certificate that is to be renewed, and for nothing else: tainted authorities besides, until
   * they are retired. What they signed must be on record, octet for octet, and not cut off.
   */
  forRenewal(): Trusted {
    const anchor = this.mode === 'rooted' ? 'x509-root' : 'x509'
    const intermediates = this.mode === 'rooted' ? [...this.intermediates(), ...this.#tainted('x509')] : []
    return { anchors: [...this.anchors(), ...this.#tainted(anchor)], intermediates }
  }

  /**
   * What is sent behind a leaf of this authority: in rooted mode the authority, and its root as the other trusted roots
   * have signed it, so that a client that knows only one of those survives. @throws AUTHORITY_NOT_FOUND
   */
  chainFor(authorityId: string): readonly Certificate[] {
    const certificate = this.#certificates.get(authorityId)
    if (certificate === undefined) throw authorityError('AUTHORITY_NOT_FOUND', { details: { authority: authorityId } })
    return this.mode === 'rooted' ? [certificate, ...this.#crossesOf(this.find(authorityId)?.issuer)] : []
  }

  /** The anchor above an authority: itself when self-rooted. @throws AUTHORITY_NOT_FOUND */
  anchorOf(authorityId: string): Certificate {
    const issuer = this.mode === 'rooted' ? this.find(authorityId)?.issuer : authorityId
    const anchor = this.#certificates.get(issuer ?? '')
    if (anchor === undefined) throw authorityError('AUTHORITY_NOT_FOUND', { details: { authority: authorityId } })
    return anchor
  }

  /** Rises with every change of any authority. */
  get sequence(): bigint {
    return sequenceOf(this.records)
  }

  /** The SPIFFE bundle, with the set's sequence (B-2). */
  bundle(): Bundle {
    return this.#bundle
  }

  /** The public keys of one kind that tokens are verified with; a key of another kind never gets here. */
  keySet(kind: JwksKind): KeySet {
    const known = this.#keySets.get(kind)
    if (known !== undefined) return known
    const keys = this.#trustedRecords(kind).map(({ kid, publicKey, algorithm }) =>
      verificationKeyFromSpki(kid, publicKey, algorithm),
    )
    const made = new KeySet(keys)
    this.#keySets.set(kind, made)
    return made
  }

  /** The key of a tainted authority, for a token that is to be renewed and for nothing else; null where it is none. */
  taintedKey(kind: JwksKind, kid: string): { readonly id: string; readonly keys: KeySet } | null {
    const found = this.records.find((one) => one.kind === kind && one.state === 'tainted' && one.kid === kid)
    if (found === undefined) return null
    const { id, publicKey, algorithm } = found
    return { id, keys: new KeySet([verificationKeyFromSpki(kid, publicKey, algorithm)]) }
  }

  jwks(kind: JwksKind): JwkSet {
    return encodeJwks(this.keySet(kind).keys())
  }

  /** What `/oauth2/jwks` publishes: the keys of every kind of token of that issuer, each kind with keys of its own. */
  oauthJwks(): JwkSet {
    return encodeJwks((['access-token', 'status', 'events'] as const).flatMap((kind) => this.keySet(kind).keys()))
  }

  /** Whether the key is that of any authority, past ones included: nobody else may have it. */
  isOwnKey(spkiHash: Bytes): boolean {
    return this.#ownKeys.has(toHex(spkiHash))
  }

  /** A root that came first needs none: who knows any root of ours knows it. */
  #crossesOf(root: string | null | undefined): readonly Certificate[] {
    return this.#crosses
      .filter(({ subject, issuer }) => subject === root && isTrusted(this.find(issuer)?.state ?? 'retired'))
      .map(({ certificate }) => parseCertificate(certificate))
  }

  #tainted(kind: AuthorityKind): readonly Certificate[] {
    const records = this.records.filter((record) => record.kind === kind && record.state === 'tainted')
    return records.flatMap(({ id }) => this.#certificates.get(id) ?? [])
  }

  #trustedRecords(kind: AuthorityKind): readonly AuthorityRecord[] {
    return this.records.filter((record) => record.kind === kind && isTrusted(record.state))
  }

  #trusted(kind: AuthorityKind): readonly Certificate[] {
    return this.#trustedRecords(kind).flatMap(({ id }) => this.#certificates.get(id) ?? [])
  }

  #makeBundle(): Bundle {
    const x509 = this.anchors().map(({ der }): BundleEntry => ({ use: 'x509-svid', certificate: der }))
    const tokens = (['jwt-svid', 'wit-svid'] as const).flatMap((use) =>
      this.#trustedRecords(use).map(({ kid, publicKey }): BundleEntry => ({ use, kid, key: jwkFromSpki(publicKey) })),
    )
    return new Bundle({
      trustDomain: this.trustDomain,
      entries: [...x509, ...tokens],
      sequence: this.sequence,
      refreshHint: REFRESH_HINT_SECONDS,
    })
  }
}

/** A root, or an authority under one, be it one that is still to come. */
function isRootedRecord({ kind, issuer }: AuthorityRecord): boolean {
  return kind === 'x509-root' || (kind === 'x509' && issuer !== null)
}

/**
 * The sum of the versions of all authorities, past ones included: every change of any of them raises it, whoever made
 * it, and every replica counts the same.
 */
export function sequenceOf(records: readonly AuthorityRecord[]): bigint {
  return records.reduce((sum, { version }) => sum + BigInt(version), 0n)
}

/** Where a story finds the authorities as they are now. */
export interface AuthoritySource {
  current(): AuthoritySet
}

/** The one place that holds the current set; whoever learns of a change replaces it whole. */
export class CurrentAuthorities implements AuthoritySource {
  #set: AuthoritySet
  readonly #listeners = new Set<() => void>()

  constructor(set: AuthoritySet) {
    this.#set = set
  }

  current(): AuthoritySet {
    return this.#set
  }

  /** Those who asked for it hear of it at once. */
  replace(set: AuthoritySet): void {
    this.#set = set
    this.#listeners.forEach((listener) => {
      listener()
    })
  }

  /** `listener` must not throw. Answers how to stop it. */
  onReplace(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => {
      this.#listeners.delete(listener)
    }
  }
}

function activeSigners({ records, signers }: AuthoritySetFields): Map<AuthorityKind, ActiveSigner> {
  const active = new Map<AuthorityKind, ActiveSigner>()
  const keys = new Set<string>()
  for (const record of records) {
    const key = toHex(record.publicKey)
    if (keys.has(key)) throw authorityError('AUTHORITY_KEY_MISMATCH', { details: { authority: record.id } })
    keys.add(key)
    const signer = signers.get(record.id)
    if (record.state !== 'active' || signer === undefined) continue
    if (active.has(record.kind)) throw authorityError('AUTHORITY_CHANGED', { details: { kind: record.kind } })
    active.set(record.kind, activeSigner(record, signer))
  }
  return active
}

function certificatesOf(records: readonly AuthorityRecord[]): Map<string, Certificate> {
  const certificates = new Map<string, Certificate>()
  for (const { id, certificate } of records) {
    if (certificate !== null) certificates.set(id, parseCertificate(certificate))
  }
  return certificates
}
