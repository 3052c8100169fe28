import type { Socket } from 'node:net'
import koffi from 'koffi'
import { peerCredentialsError } from './errors.ts'

/** Who called connect(2) on the other end of a unix socket, as the kernel recorded it then. */
export interface PeerCredentials {
  readonly pid: number
  readonly uid: number
  readonly gid: number
}

/** The numbers of asm-generic/socket.h, which x86-64 and arm64 use. */
const SOL_SOCKET = 1
const SO_PEERCRED = 17
/** struct ucred: three 32-bit numbers. */
const UCRED_BYTES = 12

type Getsockopt = (
  ...call: readonly [fd: number, level: number, option: number, value: Buffer, length: number[]]
) => number

let getsockopt: Getsockopt | null = null

/** The symbol comes from the running program, so that it is the C library which node itself uses. */
function load(): Getsockopt {
  if (process.platform !== 'linux') throw peerCredentialsError('PEER_CREDENTIALS_UNSUPPORTED')
  return koffi.load(null).func('int getsockopt(int, int, int, void *, _Inout_ uint32_t *)') as Getsockopt
}

/**
 * SO_PEERCRED (unix(7)). Ask when the connection is new: node forgets the descriptor when the socket is destroyed.
 * @throws PEER_CREDENTIALS_UNSUPPORTED, PEER_CREDENTIALS_UNAVAILABLE
 */
export function peerCredentials(socket: Socket): PeerCredentials {
  getsockopt ??= load()
  const value = Buffer.alloc(UCRED_BYTES)
  const length = [UCRED_BYTES]
  const result = getsockopt(descriptorOf(socket), SOL_SOCKET, SO_PEERCRED, value, length)
  if (result !== 0 || length[0] !== UCRED_BYTES) throw peerCredentialsError('PEER_CREDENTIALS_UNAVAILABLE')
  return { pid: value.readInt32LE(0), uid: value.readUInt32LE(4), gid: value.readUInt32LE(8) }
}

/** Node has no public way to the descriptor of a socket. */
function descriptorOf(socket: Socket): number {
  const { _handle: handle } = socket as Socket & { readonly _handle?: { readonly fd?: unknown } | null }
  const fd = handle?.fd
  if (typeof fd !== 'number' || fd < 0) throw peerCredentialsError('PEER_CREDENTIALS_UNAVAILABLE')
  return fd
}
