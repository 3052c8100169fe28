import type { ServerOptions } from 'node:http'
import { MINUTE, SECOND } from '#kernel/instant.ts'

/** How much and how long a connection may take before anything of it is understood. */
export const CONNECTION_LIMITS: ServerOptions = {
  maxHeaderSize: 16 * 1024,
  headersTimeout: 10 * SECOND,
  requestTimeout: 30 * SECOND,
  keepAliveTimeout: MINUTE,
  connectionsCheckingInterval: 5 * SECOND,
}

export const HANDSHAKE_TIMEOUT = 10 * SECOND
