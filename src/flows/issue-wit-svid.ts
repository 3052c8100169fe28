import { prepareWitSvid, type PreparedToken } from '#issuance/index.ts'
import { newId } from '#kernel/ids.ts'
import { earliest, wholeSecond, type Instant } from '#kernel/instant.ts'
import type { Grant } from '#policy/index.ts'
import { SpiffeId } from '#spiffe/index.ts'
import type { PublicKey } from '#x509/index.ts'
import { jwkFromSpki } from '#jwt/index.ts'
import { credentialGuards, type Holder } from './credential-guards.ts'
import type { IssuePorts } from './issuance-ports.ts'
import { issueJwt } from './issue-token.ts'

/** The certificate that a WIT-SVID goes with: it is for the same key, and ends with it. */
export interface WitSvidOrder {
  readonly grant: Grant
  readonly publicKey: PublicKey
  readonly spiffeId: string
  /** Serial, hex. */
  readonly certificate: string
  readonly notAfter: Instant
  readonly issuedAt: Instant
}

const ALGORITHMS = { 'P-256': 'ES256', 'P-384': 'ES384', RSA: 'RS256' } as const

/**
 * A WIT-SVID ready to be signed: `beside` a certificate whose intent commits to it, or `alone`.
 * @throws AUTHORITY_NOT_ACTIVE, GRANT_MISMATCH, LIFETIME_TOO_SHORT
 */
export function prepareWit(ports: IssuePorts, order: WitSvidOrder, recorded: 'beside' | 'alone'): PreparedToken {
  const { grant, publicKey, spiffeId, certificate, notAfter } = order
  const signer = ports.authorities.current().active('wit-svid')
  const issuedAt = wholeSecond(order.issuedAt)
  const fields = {
    subject: SpiffeId.parse(spiffeId),
    key: jwkFromSpki(publicKey.spki),
    algorithm: ALGORITHMS[publicKey.kind],
    issuedAt,
    expiresAt: wholeSecond(earliest(notAfter, signer.notAfter)),
    id: newId('token', issuedAt, ports.random),
    certificate,
  }
  return prepareWitSvid(grant, signer, { fields, recorded })
}

/**
 * One more WIT-SVID for a certificate that was issued before, for whoever has lost the answer: recorded on its own,
 * as long as everything that the certificate rests on still stands.
 * @throws the refusals of the guards, and as `prepareWit`
 */
export async function issueWitSvid(
  ports: IssuePorts,
  order: Omit<WitSvidOrder, 'issuedAt'>,
  holder: Holder,
): Promise<string> {
  const issuedAt = await ports.clockGuard.check()
  const prepared = prepareWit(ports, { ...order, issuedAt }, 'alone')
  const { grant, spiffeId, certificate } = order
  const leaf = {
    type: 'token.issued',
    actor: spiffeId,
    inputDigest: grant.inputDigest,
    policy: grant.policyDigest,
    commitments: { kind: 'wit-svid', certificate },
    private: { input: grant.input },
  }
  const guards = credentialGuards(ports.profile.trustDomain.name, holder, wholeSecond(issuedAt))
  return issueJwt(ports, { prepared, commit: { guards, changes: [], leaf, events: [] } })
}
