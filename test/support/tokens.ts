import { sign } from 'node:crypto'
import { MINUTE, after, instant, type Instant } from '#kernel/instant.ts'
import type { TaskTokenClaims } from '#jwt/index.ts'
import { SpiffeId } from '#spiffe/index.ts'
import type { TestKey } from './keys.ts'

export const NOW: Instant = instant(1_797_840_000_000)
export const ISSUER = 'https://id.example.org'
export const AUDIENCE = 'https://mcp.billing.example.org'
export const BOT = SpiffeId.parse('spiffe://example.org/agent/invoice-bot/i-7f3a')
export const CLASSIFIER = SpiffeId.parse('spiffe://example.org/agent/classifier/i-91c2')

export const EVIDENCE = `sha-256:${'5a'.repeat(32)}`

/** The task token of DESIGN.md section 4, at `NOW`, with whatever a test changes. */
export function taskTokenClaims(changes: Partial<TaskTokenClaims> = {}): TaskTokenClaims {
  return {
    issuer: ISSUER,
    subject: 'user:corp-idp:00u1a2b3',
    audience: AUDIENCE,
    client: CLASSIFIER,
    issuedAt: NOW,
    notBefore: NOW,
    expiresAt: after(NOW, 3 * MINUTE),
    id: 'tok_06f5wwhv2rtzka9bfdsk1qpyt4',
    transaction: 'txn-1',
    scope: ['invoices:read'],
    authority: [
      { type: 'task', resource: AUDIENCE, actions: ['invoices:read'], identifiers: ['inv_17'], constraints: {} },
    ],
    actors: [CLASSIFIER, BOT],
    confirmation: { method: 'x5t#S256', thumbprint: 'A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0' },
    task: { id: 'task_06f5wwhv2rtzka9bfdsk1qpyt4', deadline: after(NOW, 60 * MINUTE) },
    attestation: { keyClass: 'tpm', attestor: 'tpm', at: after(NOW, -10 * MINUTE), evidence: EVIDENCE },
    ...changes,
  }
}

/** A compact token of whatever header and claims, signed ES256, for what our own signer refuses to write. */
export function rawToken(header: object | string, claims: object | string, key: TestKey): string {
  const part = (value: object | string): string =>
    Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')
  const input = `${part(header)}.${part(claims)}`
  const signature = sign('sha256', Buffer.from(input), { key: key.privateKey, dsaEncoding: 'ieee-p1363' })
  return `${input}.${signature.toString('base64url')}`
}
