import { createServer, type RequestListener } from 'node:http'
import { parseHostPort } from '../addresses.ts'
import { CONNECTION_LIMITS } from './limits.ts'
import { closeGracefully, listen, urlOf, type Listener } from './listen.ts'

export interface PlainOptions {
  readonly name: 'status' | 'health'
  /** `host:port`. */
  readonly address: string
  readonly requests: RequestListener
  readonly maxConnections: number
}

/** HTTP without TLS, for what is signed itself and for the machine's own monitoring. */
export async function listenPlain(options: PlainOptions): Promise<Listener> {
  const server = createServer(CONNECTION_LIMITS, options.requests)
  server.maxConnections = options.maxConnections
  await listen(server, parseHostPort(options.address), options.name)
  return { name: options.name, address: urlOf('http', server), close: () => closeGracefully(server) }
}
