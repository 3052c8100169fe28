import type { Bytes } from '#kernel/bytes.ts'

/** A request that a proxy asks about, as the proxy says it came. */
export interface AskedRequest {
  /** Null where the proxy does not say. */
  readonly method: string | null
  /** Without query; null where the proxy does not say. */
  readonly path: string | null
  /** Every value of its Authorization header. */
  readonly authorization: readonly string[]
  /** Every value of its DPoP header. */
  readonly dpop: readonly string[]
  /** The client's certificate, DER, whose key the client has proved to the proxy. */
  readonly certificate: Bytes | null
  /** What the request is about to do; with none only who sends it and whether its token lives is looked at. */
  readonly actions: readonly string[]
  /** What it is about to do it to. */
  readonly identifiers: readonly string[]
  /** Of the proxy, for the log. */
  readonly address: string
}
