import { certificateThumbprint, DpopProof, spkiFromJwk, type TaskToken } from '#jwt/index.ts'
import { toHex } from '#kernel/bytes.ts'
import { sha256 } from '#kernel/digest.ts'
import { isWritError } from '#kernel/errors.ts'
import type { Instant } from '#kernel/instant.ts'
import type { ResourceRecord } from '#registry/index.ts'
import { cutoffKey } from '#revocation/index.ts'
import { authenticate, type AuthenticatePorts } from '../authenticate.ts'
import { verifyTaskToken, type VerifyPorts } from '../subject-token.ts'
import type { AskedRequest } from './asked-request.ts'
import { authzError } from './errors.ts'

export type ProvePorts = AuthenticatePorts & VerifyPorts

const CREDENTIALS = /^(bearer|dpop) +([A-Za-z0-9\-._~+/]+=*)$/i

interface Shown {
  readonly scheme: 'Bearer' | 'DPoP'
  readonly text: string
}

/**
 * The token of a request, once it is certain that it is ours, for this resource, and that its holder sent the request:
 * over a connection with the certificate that it is bound to (RFC 8705 section 3), or with a proof by the key that it
 * is bound to, for this request and once (RFC 9449 section 7).
 * @throws AUTHZ_TOKEN_…, AUTHZ_CERTIFICATE_…, AUTHZ_PROOF_…, AUTHZ_URL_MISSING
 */
export async function proveHolder(
  ports: ProvePorts,
  request: AskedRequest,
  resource: ResourceRecord,
): Promise<TaskToken> {
  const now = ports.clock.now()
  const shown = readAuthorization(request.authorization)
  const token = verify(ports, shown.text, resource, now)
  const isBoundToKey = token.claims.confirmation.method === 'jkt'
  if (isBoundToKey !== (shown.scheme === 'DPoP')) throw authzError('AUTHZ_TOKEN_SCHEME_WRONG')
  if (isBoundToKey) await useProof(ports, { request, text: shown.text, token, resource, now })
  else await checkCertificate(ports, request, token)
  return token
}

function readAuthorization([value = '', ...others]: readonly string[]): Shown {
  if (value === '') throw authzError('AUTHZ_TOKEN_MISSING')
  const [, scheme, text] = CREDENTIALS.exec(value) ?? []
  if (others.length > 0 || scheme === undefined || text === undefined) throw authzError('AUTHZ_TOKEN_INVALID')
  return { scheme: scheme.toLowerCase() === 'dpop' ? 'DPoP' : 'Bearer', text }
}

function verify(ports: ProvePorts, text: string, resource: ResourceRecord, now: Instant): TaskToken {
  try {
    const token = verifyTaskToken(ports, text, now)
    if (token.claims.audience === resource.audience) return token
  } catch (cause) {
    if (!isWritError(cause) || !cause.code.startsWith('JWT_')) throw cause
    throw authzError('AUTHZ_TOKEN_INVALID', { details: { reason: cause.code }, cause })
  }
  throw authzError('AUTHZ_TOKEN_INVALID', { details: { reason: 'JWT_AUDIENCE_WRONG' } })
}

/** MT-6: it was forwarded, so it is judged as if it had come on a connection of ours. */
async function checkCertificate(ports: ProvePorts, request: AskedRequest, token: TaskToken): Promise<void> {
  const { certificate, address } = request
  if (certificate === null) throw authzError('AUTHZ_CERTIFICATE_MISSING')
  if (token.claims.confirmation.thumbprint !== certificateThumbprint(certificate)) {
    throw authzError('AUTHZ_TOKEN_NOT_BOUND')
  }
  let holder: string
  try {
    holder = (await authenticate(ports, { kind: 'tls', chain: [certificate], address })).name
  } catch (cause) {
    const isRefusal = isWritError(cause) && /^(?:CLIENT_CERTIFICATE|PRINCIPAL)_/.test(cause.code)
    if (!isRefusal) throw cause
    throw authzError('AUTHZ_CERTIFICATE_INVALID', { details: { reason: cause.code }, cause })
  }
  if (holder !== token.actor) throw authzError('AUTHZ_TOKEN_NOT_BOUND')
}

interface Proof {
  readonly request: AskedRequest
  readonly text: string
  readonly token: TaskToken
  readonly resource: ResourceRecord
  readonly now: Instant
}

/** The URL is the registered one: what a proxy says of hosts comes from clients. */
async function useProof(ports: ProvePorts, shown: Proof): Promise<void> {
  const { request, resource, token, text, now } = shown
  const { method, path } = request
  if (method === null || path === null || resource.url === null) throw authzError('AUTHZ_URL_MISSING')
  const bound = { accessToken: text, jkt: token.claims.confirmation.thumbprint }
  const proof = verifyProof(request.dpop, { method, uri: resource.url + path, now, bound })
  await requireLivingKey(ports, proof, token)
  const row = { key: proof.replayKey, expiresAt: proof.rememberUntil }
  if (!(await ports.firsts.insertFirst('Replay', row))) throw authzError('AUTHZ_PROOF_REPLAYED')
}

function verifyProof(...args: Parameters<typeof DpopProof.verify>): DpopProof {
  try {
    return DpopProof.verify(...args)
  } catch (cause) {
    if (!isWritError(cause)) throw cause
    throw authzError('AUTHZ_PROOF_INVALID', { details: { reason: cause.code }, cause })
  }
}

/** A key that was taken back proves nothing, also where the certificate that the token rests on has another. */
async function requireLivingKey({ reader }: ProvePorts, proof: DpopProof, { claims }: TaskToken): Promise<void> {
  const key = cutoffKey('spki', toHex(sha256(spkiFromJwk(proof.key))))
  const cutoff = await reader.find('Cutoff', { key, before: { gt: claims.issuedAt } })
  if (cutoff !== null) throw authzError('AUTHZ_TOKEN_INACTIVE', { details: { fault: 'cut-off' } })
}
