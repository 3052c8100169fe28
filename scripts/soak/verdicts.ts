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

/**
 * What is dead and is shown on purpose, and the codes of who has judged that very thing. Any other refusal says nothing
 * about it: a token may be refused for the certificate that it comes with, and a connection may break.
 */
const VERDICTS = {
  'a token of a completed task': ['RECEIVER_TOKEN_INACTIVE'],
  'a token of a revoked task': ['RECEIVER_TOKEN_INACTIVE'],
  'a revoked token': ['RECEIVER_TOKEN_INACTIVE'],
  'a token of a tainted key': ['RECEIVER_TOKEN_INVALID'],
  'a JWT-SVID of a tainted key': ['JWT_KEY_UNKNOWN'],
  'a certificate of a tainted authority': [
    ...['PEER_NOT_TRUSTED', 'RECEIVER_CERTIFICATE_INVALID', 'RECEIVER_CERTIFICATE_REVOKED'],
    ...['CLIENT_CERTIFICATE_UNTRUSTED', 'CLIENT_CERTIFICATE_REVOKED'],
  ],
  'a certificate of a tainted authority, as a service': ['SERVER_NOT_TRUSTED'],
  'a token of a revoked instance': ['RECEIVER_CERTIFICATE_REVOKED', 'RECEIVER_TOKEN_INACTIVE'],
  'a certificate of a revoked instance': ['RECEIVER_CERTIFICATE_REVOKED', 'CLIENT_CERTIFICATE_REVOKED'],
  'a renewal of a revoked instance': ['CLIENT_CERTIFICATE_REVOKED'],
} as const

export type Dead = keyof typeof VERDICTS

/** Of which kind the key was that was not believed; null where the refusal is about something else. */
export function blamed(why: string): Signed | null {
  const [code] = why.split(' ').filter((word) => word in OF_A_KEY)
  return code === undefined ? null : (OF_A_KEY[code] ?? null)
}

/** Whether a refusal is about that very thing. */
export function isJudged({ what, outcome }: { readonly what: Dead; readonly outcome: string }): boolean {
  const codes: readonly string[] = VERDICTS[what]
  return outcome.split(' ').some((word) => codes.includes(word))
}

/** Of a peer that was not trusted: the authority that it showed a certificate of. */
export function keysIn(why: string): readonly KeyName[] {
  return [...why.matchAll(/"authority":"([0-9a-f]+)"/g)].map(([, id]) => `x509:${id ?? ''}`)
}

export function isOf(kind: Signed): (key: KeyName) => boolean {
  return (key) => key.startsWith(`${kind}:`)
}
