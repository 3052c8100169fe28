import { equal, toHex, type Bytes } from '#kernel/bytes.ts'
import { sha256 } from '#kernel/digest.ts'
import { isWritError } from '#kernel/errors.ts'
import type { Instant } from '#kernel/instant.ts'
import { SpiffeId, TrustDomain, decodeBundle } from '#spiffe/index.ts'
import type { JoinToken } from '#wire/index.ts'
import { buildPath, fromPemList, parseCertificate, toPem, type Certificate } from '#x509/index.ts'
import { clientError } from './errors.ts'

/**
 * What a server must prove before it is sent anything (promise 13). There is no third kind: a client that knows
 * neither a pin nor a bundle cannot connect.
 */
export type ServerTrust =
  | { readonly kind: 'pins'; /** SHA-256 of an anchor's SubjectPublicKeyInfo. */ readonly pins: readonly Bytes[] }
  | { readonly kind: 'anchors'; readonly anchors: readonly Certificate[] }

/** Whom the verified leaf may name. */
export type PeerExpectation =
  | { readonly kind: 'spiffe-id'; readonly accepts: (id: string) => boolean }
  | { readonly kind: 'dns-name'; readonly name: string }

function trustedAnchors(trust: ServerTrust, chain: readonly Certificate[]): readonly Certificate[] {
  if (trust.kind === 'anchors') return trust.anchors
  return chain.filter((certificate) => {
    const pin = sha256(certificate.publicKey.spki)
    return certificate.isAuthority && trust.pins.some((known) => equal(known, pin))
  })
}

function isExpected(leaf: Certificate, expectation: PeerExpectation): boolean {
  const names = leaf.extension('subjectAltName')?.names ?? []
  if (expectation.kind === 'dns-name') {
    return names.some((name) => name.type === 'dns' && name.value.toLowerCase() === expectation.name.toLowerCase())
  }
  const [id, another] = names.filter((name) => name.type === 'uri')
  return id !== undefined && another === undefined && expectation.accepts(id.value)
}

export interface VerifiedServer {
  /** The anchor under which the chain was verified: the pinned one, at first contact. */
  readonly anchor: Certificate
}

/**
 * Verifies the chain that a server presented, by our own path builder.
 * @throws SERVER_NOT_TRUSTED when no path ends in a pin or anchor, SERVER_NAME_MISMATCH when the leaf is somebody else's
 */
export function verifyServer(
  presented: readonly Bytes[],
  trust: ServerTrust,
  expectation: PeerExpectation,
  now: Instant,
): VerifiedServer {
  let leaf: Certificate | undefined
  try {
    const [first, ...others] = presented.map((der) => parseCertificate(der))
    leaf = first
    if (leaf === undefined) throw clientError('SERVER_NOT_TRUSTED', { message: 'the server presented no certificate' })
    const path = buildPath(leaf, others, trustedAnchors(trust, others), { at: now, purpose: 'serverAuth' })
    if (!isExpected(leaf, expectation)) throw clientError('SERVER_NAME_MISMATCH')
    return { anchor: path.anchor }
  } catch (cause) {
    if (isWritError(cause, 'SERVER_NAME_MISMATCH', 'SERVER_NOT_TRUSTED')) throw cause
    const why = isWritError(cause) ? cause.code : 'unknown'
    throw clientError('SERVER_NOT_TRUSTED', { cause, details: { why, ...signerOf(leaf) } })
  }
}

/** Whom it names as its authority, so that one can tell a peer that is ahead from a stranger: key identifier, hex. */
function signerOf(leaf: Certificate | undefined): { readonly authority?: string } {
  const named = leaf?.extension('authorityKeyIdentifier')?.keyIdentifier
  return named === undefined ? {} : { authority: toHex(named) }
}

/** A Writ server names itself `spiffe://<trust domain>/writ/server`, whatever host name it is reached by. */
export function serverExpectation(): PeerExpectation {
  return { kind: 'spiffe-id', accepts: (id) => SpiffeId.parse(id).path === '/writ/server' }
}

/** The pins that a join token carries. */
export function trustOfJoinToken(token: JoinToken): ServerTrust {
  return { kind: 'pins', pins: token.pins }
}

/** The anchors of a SPIFFE bundle document. @throws TRUST_DOMAIN_*, BUNDLE_* and CERTIFICATE_* */
export function trustOfBundle(trustDomain: string, document: string): ServerTrust {
  const bundle = decodeBundle(TrustDomain.parse(trustDomain), document)
  return { kind: 'anchors', anchors: bundle.x509Authorities.map((der) => parseCertificate(der)) }
}

/** The certificates of a PEM file, and back. */
export function certificatesOf(pem: string): readonly Certificate[] {
  return fromPemList('CERTIFICATE', pem).map((der) => parseCertificate(der))
}

export function pemOf(certificates: readonly Certificate[]): string {
  return certificates.map((certificate) => toPem('CERTIFICATE', certificate.der)).join('')
}
