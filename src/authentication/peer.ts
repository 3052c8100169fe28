import type { Bytes } from '#kernel/bytes.ts'

/** What the transport knows of the other side, as bytes that nobody has judged yet. */
export type Peer =
  | {
      readonly kind: 'tls'
      /** DER, leaf first; empty when no certificate was presented. */
      readonly chain: readonly Bytes[]
      readonly address: string
    }
  | { readonly kind: 'unix'; readonly uid: number }
