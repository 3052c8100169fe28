import type { Bytes } from '#kernel/bytes.ts'

/** A certificate as node:tls shows it; node's X509Certificate has this form. */
export interface PresentedCertificate {
  readonly raw: Uint8Array
  readonly issuerCertificate?: PresentedCertificate | undefined
}

/** A connection that may carry a client certificate; node's TLSSocket has this form. */
interface TlsConnection {
  getPeerX509Certificate(): PresentedCertificate | undefined
}

function isTls(connection: object): connection is TlsConnection {
  return 'getPeerX509Certificate' in connection && typeof connection.getPeerX509Certificate === 'function'
}

const MAX_CERTIFICATES = 6

/** Node shows what is above the leaf only to the first who asks; with it goes what a path under a root needs. */
const shown = new WeakMap<object, readonly Bytes[]>()

/** The chain that the peer presented, as DER, leaf first, however often it is asked for. Empty without one, or TLS. */
export function presentedChain(connection: object): readonly Bytes[] {
  if (!isTls(connection)) return []
  const known = shown.get(connection)
  if (known !== undefined) return known
  const chain = readChain(connection)
  if (chain.length > 0) shown.set(connection, chain)
  return chain
}

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
