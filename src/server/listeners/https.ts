import type { RequestListener } from 'node:http'
import { createServer, type ServerOptions } from 'node:https'
import { createSecureContext, type SecureContext, type TLSSocket } from 'node:tls'
import { parseHostPort } from '../addresses.ts'
import type { PublicCertificate } from '../tls/public-certificate.ts'
import { contextOptions, type KeyAndChain } from '../tls/settings.ts'
import { CONNECTION_LIMITS, HANDSHAKE_TIMEOUT } from './limits.ts'
import { closeGracefully, listen, urlOf, type Listener } from './listen.ts'

export interface HttpsOptions {
  /** `host:port`. */
  readonly address: string
  readonly requests: RequestListener
  readonly maxConnections: number
  readonly minimum: '1.2' | '1.3'
  readonly own: KeyAndChain
  readonly publicCertificate: PublicCertificate | null
}

export interface HttpsListener extends Listener {
  /** From now on handshakes use these; connections stay as they are. */
  useOwn(identity: KeyAndChain): void
  /** Call when the public certificate has been read again. */
  usePublic(): void
}

/**
 * The one listener that knows its callers. A client certificate is asked for and never judged here: the handshake lets
 * everything through, and authentication looks at what was presented on every request.
 */
export async function listenHttps(options: HttpsOptions): Promise<HttpsListener> {
  const { minimum, publicCertificate } = options
  let own = createSecureContext(contextOptions(options.own, minimum))
  let other = publicContext(options)
  const choose: ServerOptions['SNICallback'] = (name, done) => {
    done(null, other !== null && publicCertificate?.covers(name) === true ? other : own)
  }
  const server = createServer(
    {
      ...CONNECTION_LIMITS,
      ...contextOptions(options.own, minimum),
      requestCert: true,
      rejectUnauthorized: false,
      handshakeTimeout: HANDSHAKE_TIMEOUT,
      ALPNProtocols: ['http/1.1'],
      SNICallback: choose,
    },
    options.requests,
  )
  server.maxConnections = options.maxConnections
  server.on('secureConnection', refuseResumed)
  await listen(server, parseHostPort(options.address), 'https')
  return {
    name: 'https',
    address: urlOf('https', server),
    useOwn: (identity) => {
      own = createSecureContext(contextOptions(identity, minimum))
      server.setSecureContext(contextOptions(identity, minimum))
    },
    usePublic: () => {
      other = publicContext(options)
    },
    close: () => closeGracefully(server),
  }
}

/** Cannot happen with these settings; were they ever changed, a resumed session must not carry an old certificate in. */
function refuseResumed(socket: TLSSocket): void {
  if (socket.isSessionReused()) socket.destroy()
}

function publicContext({ publicCertificate, minimum }: HttpsOptions): SecureContext | null {
  return publicCertificate === null ? null : createSecureContext(contextOptions(publicCertificate.identity, minimum))
}
