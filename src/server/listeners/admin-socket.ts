import { chmodSync, lstatSync, rmSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import { connect, type Socket } from 'node:net'
import type { PeerOf } from '#api/http/index.ts'
import type { PeerCredentials } from '#adapters/peer-credentials/index.ts'
import { serverError } from '../errors.ts'
import { CONNECTION_LIMITS } from './limits.ts'
import { closeGracefully, listen, type Listener } from './listen.ts'

export interface AdminSocketOptions {
  readonly path: string
  readonly requests: RequestListener
  readonly credentialsOf: (socket: Socket) => PeerCredentials
  /** Somebody connected who may not. */
  readonly onRefused: (uid: number | null) => void
}

/** sun_path of unix(7), with its final zero. */
const MAX_PATH_BYTES = 107

const users = new WeakMap<Socket, number>()

/** The user at the other end of a connection to the admin socket. */
export const adminPeer: PeerOf = (request) => {
  const uid = users.get(request.socket)
  if (uid === undefined) throw serverError('ADMIN_SOCKET_INVALID', { message: 'a connection without credentials' })
  return { kind: 'unix', uid }
}

/**
 * The admin API for the owner of the machine. The mode of the socket keeps others out; the kernel says who comes in,
 * and only the user who runs the server and root are let through, whatever the mode says.
 * @throws ADMIN_SOCKET_INVALID, ADMIN_SOCKET_IN_USE, ADDRESS_UNAVAILABLE
 */
export async function listenAdmin(options: AdminSocketOptions): Promise<Listener> {
  const { path } = options
  if (Buffer.byteLength(path) > MAX_PATH_BYTES) {
    throw serverError('ADMIN_SOCKET_INVALID', { message: `${path} has more than ${String(MAX_PATH_BYTES)} bytes` })
  }
  await clear(path)
  const server = createServer(CONNECTION_LIMITS, options.requests)
  server.on('connection', (socket) => {
    const uid = userOf(socket, options)
    if (uid !== null && mayAdminister(uid)) users.set(socket, uid)
    else
      refuse(socket, () => {
        options.onRefused(uid)
      })
  })
  const umask = process.umask(0o177)
  try {
    // Binding happens before this call returns; the umask is back before anything else runs.
    const listening = listen(server, { path }, 'admin')
    process.umask(umask)
    await listening
  } finally {
    process.umask(umask)
  }
  chmodSync(path, 0o600)
  return { name: 'admin', address: path, close: () => closeGracefully(server) }
}

function mayAdminister(uid: number): boolean {
  return uid === 0 || uid === process.getuid?.()
}

function userOf(socket: Socket, options: AdminSocketOptions): number | null {
  try {
    return options.credentialsOf(socket).uid
  } catch {
    return null
  }
}

function refuse(socket: Socket, then: () => void): void {
  socket.destroy()
  then()
}

/** Removes what a crashed server left behind, and nothing else. */
async function clear(path: string): Promise<void> {
  const stat = lstatSync(path, { throwIfNoEntry: false })
  if (stat === undefined) return
  if (!stat.isSocket()) throw serverError('ADMIN_SOCKET_INVALID', { message: `${path} is not a socket` })
  if (await isAnswered(path)) throw serverError('ADMIN_SOCKET_IN_USE', { details: { path } })
  rmSync(path)
}

function isAnswered(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => {
      resolve(false)
    })
  })
}
