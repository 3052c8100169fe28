/**
 * What a story wants written down. The journal adds `v`, `at`, `replica` and `seq`, and for a commit that is refused
 * turns the decision into `deny:<CODE>`.
 */
export interface LeafDraft {
  /** What happened, as `<noun>.<verb>`: `certificate.intent`, `certificate.issued`, `token.issued`, `task.completed`. */
  readonly type: string
  /** A SPIFFE ID, `local:<uid>`, `anonymous` or `system`. */
  readonly actor: string
  /** The id of what it happened to, with its kind: `certificate:01ab…`. */
  readonly object: string
  readonly decision: 'permit' | `deny:${string}`
  /** SHA-256 of the canonical decision input, `sha-256:<hex>`; null where nothing was decided. */
  readonly inputDigest: string | null
  /** Digest of the policy that decided; null where none did. */
  readonly policy: string | null
  /** What else is fixed by this leaf, name to digest or id: never personal data, never a token. */
  readonly commitments: Readonly<Record<string, string>>
  /** Personal data and the decision's input, kept beside the leaf under salted commitments, erasable. */
  readonly private?: Readonly<Record<string, string>>
}
