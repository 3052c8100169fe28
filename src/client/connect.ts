import { connect as tlsConnect, type ConnectionOptions, type TLSSocket } from 'node:tls'
import { Agent, type buildConnector } from 'undici'
import type { Bytes } from '#kernel/bytes.ts'
import type { Clock } from '#kernel/clock.ts'
import { isWritError } from '#kernel/errors.ts'
import type { Milliseconds } from '#kernel/instant.ts'
import type { Secret } from '#kernel/secret.ts'
import { presentedChain } from '#x509/index.ts'
import { verifyServer, type PeerExpectation, type ServerTrust } from './server-trust.ts'
import { clientError } from './errors.ts'
import type { Identity } from './identity.ts'

/** What a client shows of itself: its certificate chain and the key behind it, as PEM. */
export interface ClientCredential {
  readonly chainPem: string
  readonly keyPem: Secret<string>
}

/** What an identity shows over mTLS: nothing, where its key cannot enter TLS; its calls are signed instead. */
export function credentialOf({ chainPem, key }: Pick<Identity, 'chainPem' | 'key'>): {
  readonly credential?: ClientCredential
} {
  const keyPem = key.kind === 'pem' ? key.pem : key.tlsPem
  return keyPem === undefined ? {} : { credential: { chainPem, keyPem } }
}

export interface ConnectionPolicy {
  /** Read at each connection, so that a new bundle counts at once. */
  readonly trust: () => ServerTrust
  readonly expectation: (hostname: string) => PeerExpectation
  readonly credential?: ClientCredential
  readonly clock: Clock
  /** Asked once for each connection whose peer is not trusted, before it is refused: `trust` may know more then. */
  readonly trustAgain?: () => Promise<void>
  /** How long a connection may take to come about; ten seconds unless given. */
  readonly connectTimeout?: Milliseconds
}

const CONNECT_TIMEOUT: Milliseconds = 10_000

/**
 * An HTTP agent whose connections exist only after the peer's chain was verified by our own path builder: undici
 * gets the socket, and with it the chance to write, afterwards. Sessions are never resumed: a resumed one would
 * outlive the certificate.
 */
export function verifiedAgent(policy: ConnectionPolicy): Agent {
  const connector: buildConnector.connector = (options, callback) => {
    const socket = tlsConnect(tlsOptions(policy, options.hostname, options.port))
    // undici reads exactly one of the two.
    let isSettled = false
    const settle = (error: Error | null): void => {
      if (isSettled) return
      isSettled = true
      socket.setTimeout(0)
      if (error === null) callback(null, socket)
      else callback(error, null)
    }
    socket.setTimeout(policy.connectTimeout ?? CONNECT_TIMEOUT, () =>
      socket.destroy(clientError('SERVER_UNREACHABLE', { message: 'connecting took too long' })),
    )
    socket.once('error', settle)
    const judge = (failure: Error | null): void => {
      if (failure === null) socket.removeListener('error', settle)
      else socket.destroy(failure)
      // One that is closed already tells of no error any more.
      if (failure === null || socket.destroyed) settle(failure)
    }
    socket.once('secureConnect', () => {
      // Node shows it once the handshake is done, and not for ever.
      const shown = { chain: presentedChain(socket), hostname: options.hostname }
      const failure = trustFailure(shown, policy)
      if (failure === null || !isWritError(failure, 'SERVER_NOT_TRUSTED') || policy.trustAgain === undefined) {
        judge(failure)
      } else {
        void secondLook(socket, shown, policy).then(judge)
      }
    })
  }
  return new Agent({ connect: connector, keepAliveTimeout: 30_000, headersTimeout: 30_000, bodyTimeout: 30_000 })
}

function tlsOptions(policy: ConnectionPolicy, hostname: string, port: string): ConnectionOptions {
  return {
    host: hostname.replace(/^\[|\]$/g, ''),
    port: Number(port === '' ? 443 : port),
    ...(/^[\d.]+$|:/.test(hostname) ? {} : { servername: hostname }),
    ...(policy.credential === undefined
      ? {}
      : { cert: policy.credential.chainPem, key: policy.credential.keyPem.reveal() }),
    minVersion: 'TLSv1.2',
    ALPNProtocols: ['http/1.1'],
    // OpenSSL's verdict knows no pins and no URI names; verifyServer decides before a byte is sent.
    rejectUnauthorized: false,
  }
}

interface Shown {
  readonly chain: readonly Bytes[]
  readonly hostname: string
}

/** The peer may be of an authority that is newer than our trust. Nothing is sent to it meanwhile. */
async function secondLook(socket: TLSSocket, shown: Shown, policy: ConnectionPolicy): Promise<Error | null> {
  await policy.trustAgain?.().catch(() => undefined)
  if (socket.destroyed) return clientError('SERVER_UNREACHABLE', { message: 'the connection was closed' })
  return trustFailure(shown, policy)
}

function trustFailure({ chain, hostname }: Shown, policy: ConnectionPolicy): Error | null {
  try {
    verifyServer(chain, policy.trust(), policy.expectation(hostname), policy.clock.now())
    return null
  } catch (error) {
    return error instanceof Error ? error : clientError('SERVER_NOT_TRUSTED')
  }
}
