import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { TLSSocket } from 'node:tls'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { request, type Agent } from 'undici'
import { SystemClock, SystemRandom } from '#adapters/system/index.ts'
import {
  anchorsOf,
  bundleOf,
  credentialOf,
  enroll,
  keepServerFresh,
  LiveIdentity,
  liveTlsOptions,
  trustOfJoinToken,
  verifiedAgent,
  type Identity,
} from '#client/index.ts'
import { JwtSvid, KeySet } from '#jwt/index.ts'
import { SECOND } from '#kernel/instant.ts'
import { Secret } from '#kernel/secret.ts'
import { parseJoinToken } from '#wire/index.ts'
import { whyOf } from './names.ts'
import { AUDIENCE, isMember } from './server.ts'

export const clock = new SystemClock()
export const random = new SystemRandom()

/** The machine may be busy with other things. */
const PATIENCE = 30 * SECOND

/** How somebody comes to an identity. */
export interface Arrival {
  /** The server, or one of them. */
  readonly origin: string
  readonly joinToken: string
  /** As a bundle with a short hint would have it; milliseconds. */
  readonly looksEvery: number
}

/** Enrolls with a join token, and keeps fresh from then on. */
export async function newcomer({ origin, joinToken, looksEvery }: Arrival): Promise<LiveIdentity> {
  const identity = await enroll({
    server: origin,
    trust: trustOfJoinToken(parseJoinToken(joinToken)),
    evidence: { attestor: 'join_token', token: new Secret(joinToken) },
    clock,
  })
  return new LiveIdentity(identity, { clock, random, accepts: isMember, looksAtLeastEvery: looksEvery })
}

export async function listen(server: Server): Promise<string> {
  // Longer than any client keeps an idle connection: otherwise a call may meet the end of it.
  server.keepAliveTimeout = 2 * PATIENCE
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return `https://127.0.0.1:${String((server.address() as AddressInfo).port)}`
}

export async function close(server: Server): Promise<void> {
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
}

/** An agent that calls others, and is called: over mTLS at `/peer`, and with a JWT-SVID besides at `/svid`. */
export class SoakAgent {
  readonly live: LiveIdentity
  readonly url: string
  readonly #server: Server

  private constructor(live: LiveIdentity, server: Server, url: string) {
    this.live = live
    this.#server = server
    this.url = url
    keepServerFresh(server, live)
  }

  static async start(arrival: Arrival): Promise<SoakAgent> {
    const live = await newcomer(arrival)
    const server = createServer(liveTlsOptions(live), (incoming, response) => void answer(live, incoming, response))
    return new SoakAgent(live, server, await listen(server))
  }

  /** Connections of their own, with the certificate given, that trust whom this agent trusts at that moment. */
  connect(identity: Identity = this.live.identity): Agent {
    return verifiedAgent({
      trust: () => ({ kind: 'anchors', anchors: anchorsOf(this.live.identity) }),
      expectation: () => ({ kind: 'spiffe-id', accepts: isMember }),
      trustAgain: () => this.live.refreshTrust(),
      ...credentialOf(identity),
      clock,
      connectTimeout: PATIENCE,
    })
  }

  async stop(): Promise<void> {
    await close(this.#server)
    await this.live.close()
  }
}

/** One call to another agent. @throws TypeError whose code is what it said when it refuses */
export async function callPeer(over: Agent, url: string, svid?: string): Promise<void> {
  const path = svid === undefined ? '/peer' : '/svid'
  const headers = svid === undefined ? {} : { authorization: `Bearer ${svid}` }
  const { statusCode, body } = await request(`${url}${path}`, { dispatcher: over, headers })
  const text = await body.text()
  if (statusCode !== 200) throw Object.assign(new TypeError('refused by a peer'), { code: text })
}

async function answer(live: LiveIdentity, { url, socket, headers }: IncomingMessage, response: ServerResponse) {
  try {
    if (!(socket instanceof TLSSocket)) throw new TypeError('not over TLS')
    await live.peerOf(socket)
    if (url === '/svid') await checkSvid(live, headers.authorization?.replace('Bearer ', '') ?? '')
    response.end('done')
  } catch (error) {
    response.writeHead(403).end(whyOf(error))
  }
}

/** A key that is newer than our bundle makes us fetch that, as a certificate of a newer authority does. */
async function checkSvid(live: LiveIdentity, svid: string): Promise<void> {
  const verify = () =>
    JwtSvid.verify(svid, {
      keysOf: (domain) =>
        domain.equals(live.identity.spiffeId.trustDomain)
          ? KeySet.fromBundle(bundleOf(live.identity), 'jwt-svid')
          : undefined,
      audience: AUDIENCE,
      audienceRule: 'sole',
      now: clock.now(),
      skew: SECOND,
    })
  try {
    verify()
  } catch {
    await live.refreshTrust().catch(() => undefined)
    verify()
  }
}
