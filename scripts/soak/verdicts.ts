import type { KeyName } from './sightings.ts'

/** What is signed by keys that are rotated: certificates, access tokens and JWT-SVIDs. */
export type Signed = 'x509' | 'access-token' | 'jwt-svid'

/** The codes that say that somebody judged, and did not believe the key. Nothing else is explained by a taint. */
const OF_A_KEY: Readonly<Record<string, Signed>> = {
  CLIENT_CERTIFICATE_UNTRUSTED: 'x509',
  CLIENT_CERTIFICATE_REVOKED: 'x509',
  RECEIVER_CERTIFICATE_INVALID: 'x509',
  RECEIVER_CERTIFICATE_REVOKED: 'x509',
  PEER_NOT_TRUSTED: 'x509',
  SERVER_NOT_TRUSTED: 'x509',
  RECEIVER_TOKEN_INVALID: 'access-token',
  JWT_KEY_UNKNOWN: 'jwt-svid',
  SUBJECT_TOKEN_INVALID: 'jwt-svid',
}

/** Whoever says one of these has judged what was shown; everything else says that nobody did. */
const OF_ITSELF: readonly string[] = ['RECEIVER_TOKEN_INACTIVE', 'CLIENT_CERTIFICATE_UNKNOWN']

/** Of which kind the key was that was not believed; null where the refusal is about something else. */
export function blamed(why: string): Signed | null {
  const [code] = why.split(' ').filter((word) => word in OF_A_KEY)
  return code === undefined ? null : (OF_A_KEY[code] ?? null)
}

export function isJudged(outcome: string): boolean {
  return blamed(outcome) !== null || outcome.split(' ').some((word) => OF_ITSELF.includes(word))
}

/** Of a peer that was not trusted: the authority that it showed a certificate of. */
export function keysIn(why: string): readonly KeyName[] {
  return [...why.matchAll(/"authority":"([0-9a-f]+)"/g)].map(([, id]) => `x509:${id ?? ''}`)
}

export function isOf(kind: Signed): (key: KeyName) => boolean {
  return (key) => key.startsWith(`${kind}:`)
}
