import type { AgentIdentity } from '#authentication/index.ts'
import { DpopProof, jwtError, spkiFromJwk, type Confirmation } from '#jwt/index.ts'
import type { KeyClass, KeyClassSource } from '#kernel/algorithms.ts'
import { toHex } from '#kernel/bytes.ts'
import { sha256 } from '#kernel/digest.ts'
import type { Instant } from '#kernel/instant.ts'
import { cutoffKey, liveCutoffGuard, revocationError } from '#revocation/index.ts'
import type { IssuePorts } from './issuance-ports.ts'
import type { Change, Guard } from './ports.ts'
import type { ProofNonces } from './proof-nonces.ts'

export interface BindingPorts {
  readonly nonces: ProofNonces
  readonly profile: IssuePorts['profile']
}

/** What a token is going to be bound to, and what the commit that issues it has to use up. */
export interface Binding {
  readonly confirmation: Confirmation
  /** Of the key that the token is bound to. */
  readonly key: { readonly class: KeyClass; readonly source?: KeyClassSource }
  readonly changes: readonly Change[]
  /** What must hold of the key at the commit. */
  readonly guards: readonly Guard[]
  /** For the next proof; null where none was shown. */
  readonly nextNonce: string | null
}

/**
 * Exactly one confirmation (CN-1): the key of the DPoP proof where one was sent (RFC 9449), else the certificate of
 * the caller (RFC 8705). Only for the key that was attested does the token say so.
 * @throws DPOP_*; DPOP_NONCE_REQUIRED and DPOP_NONCE_INVALID come with the nonce that is to be used
 */
export async function bindToken(
  ports: BindingPorts,
  client: AgentIdentity,
  shown: { readonly dpop: readonly string[]; readonly now: Instant },
): Promise<Binding> {
  const { instance, thumbprint } = client
  const attested = { class: instance.keyClass, source: instance.keyClassSource }
  if (shown.dpop.length === 0) {
    const confirmation = { method: 'x5t#S256', thumbprint } as const
    return { confirmation, key: attested, changes: [], guards: [], nextNonce: null }
  }
  const { now } = shown
  const proof = DpopProof.verify(shown.dpop, { method: 'POST', uri: `${ports.profile.publicUrl}/oauth2/token`, now })
  await requireNonce(ports.nonces, proof, now)
  const spkiHash = toHex(sha256(spkiFromJwk(proof.key)))
  const isAttested = spkiHash === client.certificate.spkiHash
  const row = { key: proof.replayKey, expiresAt: proof.rememberUntil }
  return {
    confirmation: { method: 'jkt', thumbprint: proof.jkt },
    key: isAttested ? attested : { class: 'software' },
    changes: [{ op: 'insert', table: 'Replay', row, refuse: () => jwtError('DPOP_PROOF_REPLAYED') }],
    // A compromised key is blocked for ever, whatever it is used for.
    guards: [liveCutoffGuard([cutoffKey('spki', spkiHash)], now, () => revocationError('CUT_OFF'))],
    nextNonce: await ports.nonces.make(now),
  }
}

/** DP-3: a nonce is always asked for, so that no proof can be made ahead of time. */
async function requireNonce(nonces: ProofNonces, { nonce }: DpopProof, now: Instant): Promise<void> {
  if (nonce !== undefined && (await nonces.isCurrent(nonce, now))) return
  const code = nonce === undefined ? 'DPOP_NONCE_REQUIRED' : 'DPOP_NONCE_INVALID'
  throw jwtError(code, { details: { dpopNonce: await nonces.make(now) } })
}
