import { JWS_ALGORITHM_NAMES, type JwsAlgorithm } from './algorithms.ts'

/** Where a verifier finds the key: by `kid` in a key set, in the header, or in a credential that came along. */
export type KeyPlace = 'kid' | 'header-jwk' | 'credential'

export interface TokenKindRow {
  /** What we write. */
  readonly typ: string
  /** What we read; null stands for an absent `typ`. Compared exactly. */
  readonly accepts: readonly (string | null)[]
  readonly algorithms: readonly JwsAlgorithm[]
  /** The kind of authority that signs it, where we issue it. */
  readonly authority: 'access-token' | 'jwt-svid' | 'wit-svid' | 'status' | 'events' | null
  readonly key: KeyPlace
  /** Header parameters that it may have; any other, known or not, refuses the token. */
  readonly headers: readonly string[]
}

const OURS: readonly JwsAlgorithm[] = ['ES256', 'ES384', 'RS256']
const PLAIN = ['alg', 'kid', 'typ'] as const
const WITH_THUMBPRINT = [...PLAIN, 'x5t', 'x5t#S256'] as const

/**
 * The one table of token kinds (DESIGN.md section 4). Each kind is refused in every other kind's slot: by `typ`, and
 * where two kinds share one (JWT-SVID and ID token) by the subject as well, besides issuer and keys.
 */
export const TOKEN_KINDS = {
  'task-token': row('at+jwt', 'access-token', OURS, { accepts: ['at+jwt', 'application/at+jwt'] }),
  'jwt-svid': row('JWT', 'jwt-svid', JWS_ALGORITHM_NAMES, { accepts: ['JWT', 'JOSE', null] }),
  'wit-svid': row('wit+jwt', 'wit-svid', JWS_ALGORITHM_NAMES),
  'transaction-token': row('txntoken+jwt', 'access-token', OURS),
  'status-list': row('statuslist+jwt', 'status', OURS),
  'security-event': row('secevent+jwt', 'events', OURS),
  introspection: row('token-introspection+jwt', 'status', OURS),
  'client-assertion': row('client-authentication+jwt', null, JWS_ALGORITHM_NAMES, { headers: WITH_THUMBPRINT }),
  'dpop-proof': row('dpop+jwt', null, JWS_ALGORITHM_NAMES, { key: 'header-jwk', headers: ['alg', 'typ', 'jwk'] }),
  'workload-proof': row('wpt+jwt', null, JWS_ALGORITHM_NAMES, { key: 'credential', headers: ['alg', 'typ'] }),
  'id-token': row('JWT', null, JWS_ALGORITHM_NAMES, { accepts: ['JWT', 'JOSE', null], headers: WITH_THUMBPRINT }),
} as const satisfies Record<string, TokenKindRow>

export type TokenKind = keyof typeof TOKEN_KINDS

function row(
  typ: string,
  authority: TokenKindRow['authority'],
  algorithms: readonly JwsAlgorithm[],
  other: Partial<Pick<TokenKindRow, 'accepts' | 'key' | 'headers'>> = {},
): TokenKindRow {
  return { typ, authority, algorithms, accepts: [typ], key: 'kid', headers: PLAIN, ...other }
}
