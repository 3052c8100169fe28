import type { Server as HttpServer } from 'node:http'
import type { AddressInfo, ListenOptions, Server } from 'node:net'
import { SECOND } from '#kernel/instant.ts'
import { serverError } from '../errors.ts'

/** A listener at work. */
export interface Listener {
  readonly name: string
  /** As others reach it: a URL, or the path of a socket. */
  readonly address: string
  /** Takes nothing new, lets what is at work finish, and cuts off what does not. */
  close(): Promise<void>
}

/** How long requests at work may go on once the server stops. */
export const GRACE = 10 * SECOND

/** @throws ADDRESS_IN_USE, ADDRESS_UNAVAILABLE */
export function listen(server: Server, options: ListenOptions, name: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const refuse = (cause: NodeJS.ErrnoException): void => {
      const code = cause.code === 'EADDRINUSE' ? 'ADDRESS_IN_USE' : 'ADDRESS_UNAVAILABLE'
      const where = options.path ?? `${options.host ?? ''}:${String(options.port ?? '')}`
      reject(
        serverError(code, {
          message: `${name} listener on ${where}: ${cause.code ?? 'failed'}`,
          details: { listener: name, where },
          cause,
        }),
      )
    }
    server.once('error', refuse)
    server.listen(options, () => {
      server.removeListener('error', refuse)
      resolve()
    })
  })
}

export function urlOf(scheme: 'http' | 'https', server: Server): string {
  const { address, family, port } = server.address() as AddressInfo
  return `${scheme}://${family === 'IPv6' ? `[${address}]` : address}:${String(port)}`
}

export function closeGracefully(server: HttpServer, grace = GRACE): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => {
      server.closeAllConnections()
    }, grace)
    server.close(() => {
      clearTimeout(timer)
      resolve()
    })
    server.closeIdleConnections()
  })
}
