/** Ways to ask whether somebody is refused yet, and how long it took until one of them said so. */
import { Agent, request } from 'undici'
import {
  anchorsOf,
  certificatesOf,
  credentialOf,
  serverExpectation,
  verifiedAgent,
  type Identity,
} from '#client/index.ts'
import type { Clock } from '#kernel/clock.ts'
import { encodeOcspRequest, IssuerNames, parseCrl, parseOcspResponse, type Certificate } from '#x509/index.ts'

/** Milliseconds after which nothing is waited for any more. */
const PATIENCE = 90_000

/** Whether it is refused by now. */
export type Probe = () => Promise<boolean> | boolean

/**
 * Milliseconds from `since` until the answer to the first question that was refused. It pauses between two questions,
 * so that the one who asks leaves the machine to those who answer.
 */
export async function untilRefused(probe: Probe, since: number, pause: number): Promise<number> {
  for (;;) {
    if (await probe()) return performance.now() - since
    if (performance.now() - since > PATIENCE) throw new TypeError('it was never refused')
    await new Promise((resolve) => setTimeout(resolve, pause))
  }
}

/** A caller with a connection of its own to one server, kept open. */
export class Connection {
  readonly #agent: Agent
  readonly #origin: string

  constructor(identity: Identity, origin: string, clock: Clock) {
    const anchors = anchorsOf(identity)
    this.#origin = origin
    this.#agent = verifiedAgent({
      trust: () => ({ kind: 'anchors', anchors }),
      expectation: serverExpectation,
      ...credentialOf(identity),
      clock,
    })
  }

  /** @throws TypeError for any answer but that it is let in and that its certificate was revoked */
  readonly isRefused = async (): Promise<boolean> => {
    const { statusCode, body } = await request(new URL('/v1/tasks?limit=1', this.#origin), { dispatcher: this.#agent })
    const text = await body.text()
    if (statusCode === 200) return false
    if (statusCode === 401 && text.includes('CLIENT_CERTIFICATE_REVOKED')) return true
    throw new TypeError(`answered ${String(statusCode)}: ${text}`)
  }

  close(): Promise<void> {
    return this.#agent.close()
  }
}

const plain = new Agent({ connections: 4, keepAliveTimeout: 30_000 })

export const closeProbes = (): Promise<void> => plain.close()

async function octets(url: string, body?: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
  const sent =
    body === undefined
      ? { method: 'GET' as const }
      : { method: 'POST' as const, body, headers: { 'content-type': 'application/ocsp-request' } }
  const answer = await request(url, { dispatcher: plain, ...sent })
  const bytes = new Uint8Array(await answer.body.arrayBuffer())
  if (answer.statusCode !== 200) throw new TypeError(`${url} answered ${String(answer.statusCode)}`)
  return bytes
}

export function leafOf({ chainPem }: Identity): Certificate {
  const [leaf] = certificatesOf(chainPem)
  if (leaf === undefined) throw new TypeError('no certificate')
  return leaf
}

/** Asks for this one certificate, without a nonce: the answer may be one that was made before. */
export function ocspProbe(identity: Identity, status: string): Probe {
  const leaf = leafOf(identity)
  const named = leaf.extension('authorityKeyIdentifier')?.keyIdentifier ?? new Uint8Array()
  const issuer = anchorsOf(identity).find(({ publicKey }) => Buffer.compare(publicKey.keyIdentifier, named) === 0)
  if (issuer === undefined) throw new TypeError('no issuer')
  const question = encodeOcspRequest({
    certIds: [new IssuerNames(issuer).certId('sha256', leaf.serial)],
    nonce: undefined,
  })
  return async () => {
    const answer = parseOcspResponse(await octets(`${status}/ocsp`, question))
    if (typeof answer === 'string') throw new TypeError(`OCSP answered ${answer}`)
    return answer.responses[0]?.status.kind === 'revoked'
  }
}

/** The CRL that the certificate names, and that of everything. */
export function crlProbes(identity: Identity, status: string): Readonly<Record<'shard' | 'complete', Probe>> {
  const leaf = leafOf(identity)
  const { pathname } = new URL(leaf.extension('crlDistributionPoints')?.uris[0] ?? '')
  const lists = async (path: string): Promise<boolean> => {
    const crl = parseCrl(await octets(new URL(path, status).href))
    return crl.find(leaf.serial) !== undefined
  }
  return { shard: () => lists(pathname), complete: () => lists(pathname.replace(/\/\d+\.crl$/, '.crl')) }
}
