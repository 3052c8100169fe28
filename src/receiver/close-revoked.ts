import { isWritError } from '#kernel/errors.ts'
import { SECOND, type Milliseconds } from '#kernel/instant.ts'
import { presentedChain } from '#x509/index.ts'
import { receiverError } from './errors.ts'
import type { LiveView } from './feed/live-view.ts'
import type { Receiver } from './receiver.ts'

/** A TLS server; those of node:tls and node:https have this form. */
export interface ClosingServer {
  on(event: 'secureConnection', listener: (connection: ClosingConnection) => void): unknown
  off(event: 'secureConnection', listener: (connection: ClosingConnection) => void): unknown
}

/** A connection; node's TLSSocket has this form. */
interface ClosingConnection {
  once(event: 'close', listener: () => void): unknown
  destroy(): unknown
}

export interface ClosingOptions {
  readonly receiver: Pick<Receiver, 'verifyConnection'>
  /** Looked at again whenever it changes. */
  readonly feed?: Pick<LiveView, 'subscribe'>
  /** How often every connection is looked at, for those whose certificate runs out: a second unless given. */
  readonly every?: Milliseconds
}

/**
 * Closes connections of a TLS server as soon as their peer's certificate is taken back, is not trusted any more or runs
 * out, requests under way included: nobody waits for the next request of a stream. Connections without certificate
 * are left alone. Returns what ends it.
 * @throws RECEIVER_OPTIONS_INVALID
 */
export function closeRevoked(server: ClosingServer, options: ClosingOptions): () => void {
  const { receiver, feed, every = SECOND } = options
  if (!(every > 0)) throw receiverError('RECEIVER_OPTIONS_INVALID', { details: { option: 'every' } })
  const open = new Set<ClosingConnection>()
  const look = (): void => {
    for (const connection of open) if (isDead(connection, receiver)) connection.destroy()
  }
  const opened = (connection: ClosingConnection): void => {
    if (presentedChain(connection).length === 0) return
    open.add(connection)
    connection.once('close', () => open.delete(connection))
  }
  server.on('secureConnection', opened)
  const stop = feed?.subscribe(look)
  const timer = setInterval(look, every)
  timer.unref()
  return () => {
    server.off('secureConnection', opened)
    stop?.()
    clearInterval(timer)
  }
}

/** What cannot be judged at the moment is left open: its requests are refused. */
function isDead(connection: object, receiver: ClosingOptions['receiver']): boolean {
  try {
    receiver.verifyConnection(connection)
    return false
  } catch (error) {
    return isWritError(error, 'RECEIVER_CERTIFICATE_INVALID', 'RECEIVER_CERTIFICATE_REVOKED')
  }
}
