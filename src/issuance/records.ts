import type { Bytes } from '#kernel/bytes.ts'
import type { Instant } from '#kernel/instant.ts'

export type CertificateState = 'intent' | 'issued' | 'revoked' | 'abandoned'

/** Every certificate that we ever meant to sign. The row is durable before the signature exists (promise 1). */
export interface CertificateRecord {
  /** Hex. */
  readonly serial: string
  readonly kind: 'svid' | 'server' | 'authority' | 'ocsp' | 'canary'
  readonly der: Bytes | null
  readonly authority: string
  readonly spiffeId: string | null
  readonly agent: string | null
  readonly instance: string | null
  readonly lineage: string | null
  /** Serial of the certificate that it renewed. */
  readonly renewed: string | null
  /** SHA-256, hex. */
  readonly spkiHash: string
  readonly tbsHash: string
  readonly crlShard: number
  readonly issuedAt: Instant
  readonly notBefore: Instant
  readonly notAfter: Instant
  readonly state: CertificateState
  readonly revokedAt: Instant | null
  readonly reason: string | null
  readonly idempotencyKey: string | null
}
