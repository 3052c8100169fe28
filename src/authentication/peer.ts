import type { Bytes } from '#kernel/bytes.ts'

/** Tokens in the headers of one request, as text that nobody has judged yet. */
export interface ShownTokens {
  /** Every value of Workload-Identity-Token. */
  readonly identities: readonly string[]
  /** Every value of Workload-Proof-Token. */
  readonly proofs: readonly string[]
  readonly authorization: string | undefined
  /** The value of Txn-Token. */
  readonly transactionToken: string | undefined
  /** The URL of the request as clients know it, without query. */
  readonly url: string
}

/** What the transport knows of the other side, as bytes that nobody has judged yet. */
export type Peer =
  | {
      readonly kind: 'tls'
      /** DER, leaf first; empty when no certificate was presented. */
      readonly chain: readonly Bytes[]
      readonly address: string
      /** What the request shows in its headers; absent where it shows nothing. */
      readonly shown?: ShownTokens
    }
  | { readonly kind: 'unix'; readonly uid: number }
