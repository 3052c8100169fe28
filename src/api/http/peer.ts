import type { IncomingMessage } from 'node:http'
import { TLSSocket } from 'node:tls'
import type { Peer, ShownTokens } from '#authentication/index.ts'
import type { Bytes } from '#kernel/bytes.ts'
import { httpError } from './errors.ts'

/** Tells the peer of a request. One for each kind of listener. */
export type PeerOf = (request: IncomingMessage) => Peer

const MAX_CERTIFICATES = 6
const MAX_CERTIFICATE_BYTES = 8_192

const known = new WeakMap<TLSSocket, Peer>()

/**
 * What the client PRESENTED in the handshake, leaf first; nothing that the TLS library made of it. Kept for as long
 * as the connection lives: it cannot change, since renegotiation is off.
 * @throws CLIENT_CHAIN_TOO_LARGE
 */
export function tlsPeer(request: IncomingMessage): Peer {
  const { socket } = request
  if (!(socket instanceof TLSSocket)) return { kind: 'tls', chain: [], address: socket.remoteAddress ?? '' }
  const earlier = known.get(socket)
  if (earlier !== undefined) return earlier
  const peer: Peer = { kind: 'tls', chain: presentedChain(socket), address: socket.remoteAddress ?? '' }
  known.set(socket, peer)
  return peer
}

function presentedChain(socket: TLSSocket): readonly Bytes[] {
  const chain: Bytes[] = []
  let certificate: ReturnType<TLSSocket['getPeerX509Certificate']> = socket.getPeerX509Certificate()
  while (certificate !== undefined) {
    const { raw } = certificate
    if (chain.length === MAX_CERTIFICATES || raw.length > MAX_CERTIFICATE_BYTES) {
      throw httpError('CLIENT_CHAIN_TOO_LARGE', { details: { certificates: chain.length + 1, bytes: raw.length } })
    }
    chain.push(new Uint8Array(raw))
    certificate = certificate.issuerCertificate
  }
  return chain
}

/**
 * The peer together with the tokens in the headers of this request. Where there are none it is the peer as it was, so
 * that nobody else pays for them.
 */
export function showing(peer: Peer, request: IncomingMessage, publicUrl: string): Peer {
  const { 'workload-identity-token': identities, 'workload-proof-token': proofs } = request.headersDistinct
  const { authorization, 'txn-token': transactionToken } = request.headers
  if (peer.kind !== 'tls' || (identities ?? proofs ?? authorization) === undefined) return peer
  const shown: ShownTokens = {
    identities: identities ?? [],
    proofs: proofs ?? [],
    authorization,
    transactionToken: typeof transactionToken === 'string' ? transactionToken : undefined,
    url: `${publicUrl}${pathOf(request.url ?? '')}`,
  }
  return { ...peer, shown }
}

function pathOf(target: string): string {
  const end = target.indexOf('?')
  return end === -1 ? target : target.slice(0, end)
}
