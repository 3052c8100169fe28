import { constants } from 'node:crypto'
import type { Server, TlsOptions } from 'node:tls'
import { pemKeyOf } from './identity-key.ts'
import type { LiveIdentity } from './live-identity.ts'

/**
 * What a TLS server of an agent is created with, to be spread into the options of `https.createServer`: the
 * certificate of now; one of the client is asked for and not judged, since `LiveIdentity.peerOf` (or a receiver) does
 * that on every request; sessions are never resumed, since a resumed one outlives the certificate that began it.
 * @throws KEY_IN_HARDWARE
 */
export function liveTlsOptions(live: LiveIdentity): Readonly<TlsOptions> {
  return {
    ...contextOf(live),
    requestCert: true,
    rejectUnauthorized: false,
  }
}

/**
 * Presents each new certificate from the next handshake on; connections stay as they are. Until the returned function
 * is called.
 */
export function keepServerFresh(server: Server, live: LiveIdentity): () => void {
  return live.onRenewal(() => {
    server.setSecureContext(contextOf(live))
  })
}

function contextOf(live: LiveIdentity): Pick<TlsOptions, 'cert' | 'key' | 'minVersion' | 'secureOptions'> {
  const { identity } = live
  return {
    cert: identity.chainPem,
    key: pemKeyOf(identity).reveal(),
    minVersion: 'TLSv1.2',
    secureOptions: constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION,
  }
}
