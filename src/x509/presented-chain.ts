import type { Bytes } from '#kernel/bytes.ts'
import { MAX_PATH_CERTIFICATES } from './path/build.ts'

/** A certificate as node:tls shows it; node's X509Certificate has this form. */
export interface PresentedCertificate {
  readonly raw: Uint8Array
  readonly issuerCertificate?: PresentedCertificate | undefined
}

/** A connection that may carry a certificate of its peer; node's TLSSocket has this form. */
interface TlsConnection {
  getPeerX509Certificate(): PresentedCertificate | undefined
}

function isTls(connection: object): connection is TlsConnection {
  return 'getPeerX509Certificate' in connection && typeof connection.getPeerX509Certificate === 'function'
}

/** One more than any path may have: what is too long is refused, and not cut. */
const MAX_CERTIFICATES = MAX_PATH_CERTIFICATES + 1

/**
 * Node shows what is above the leaf only to the first who asks, whoever that is; with it goes what a path under a root
 * needs. So there is one memory for all who ask.
 */
const shown = new WeakMap<object, readonly Bytes[]>()

/** The chain that the peer presented, as DER, leaf first, however often it is asked for. Empty without one, or TLS. */
export function presentedChain(connection: object): readonly Bytes[] {
  if (!isTls(connection)) return []
  const session = sessionOf(connection)
  const known = shown.get(connection) ?? shown.get(session)
  if (known !== undefined) return known
  const chain = readChain(connection)
  if (chain.length > 0) for (const one of [connection, session]) shown.set(one, chain)
  return chain
}

/** Over HTTP/2 every request has a socket of its own to show; what they are for is one object, while it is open. */
function sessionOf(connection: object): object {
  const inner = 'ssl' in connection ? connection.ssl : null
  return typeof inner === 'object' && inner !== null ? inner : connection
}

/** OpenSSL links them; a self-signed one links to itself. */
function readChain(connection: TlsConnection): readonly Bytes[] {
  const chain: Bytes[] = []
  for (let next = connection.getPeerX509Certificate(); next !== undefined; next = next.issuerCertificate) {
    const der = new Uint8Array(next.raw)
    const repeats = chain.some((certificate) => Buffer.compare(certificate, der) === 0)
    if (repeats || chain.length === MAX_CERTIFICATES) break
    chain.push(der)
  }
  return chain
}
