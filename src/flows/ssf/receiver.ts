import type { Caller } from '#authentication/index.ts'
import type { ResourceRecord } from '#registry/index.ts'
import type { SsfStreamRecord } from '#revocation/index.ts'
import type { TrustDomain } from '#spiffe/index.ts'
import type { Reader } from '../ports.ts'
import { ssfError } from './errors.ts'

/** A resource that the caller may act for, and the SPIFFE ID by which it is registered there. */
export interface ReceiverPlace {
  readonly audience: string
  readonly client: string
}

export interface ReceiverPorts {
  readonly reader: Reader
  readonly profile: { readonly trustDomain: TrustDomain }
}

const PAGE = 1000

/**
 * What the caller may receive for: as itself, or as an instance of an agent that is registered.
 * @throws AUTHENTICATION_REQUIRED, CALLER_NOT_AGENT, CLIENT_CERTIFICATE_EXPIRED, SSF_RECEIVER_UNKNOWN
 */
export async function placesOf({ reader, profile }: ReceiverPorts, caller: Caller): Promise<readonly ReceiverPlace[]> {
  const { agent } = caller.requireAgent()
  const names = [caller.name, `spiffe://${profile.trustDomain.name}${agent.path}`]
  const places: ReceiverPlace[] = []
  for (let after: string | undefined; ;) {
    const page = await reader.list('Resource', {
      where: { state: 'active' },
      limit: PAGE,
      ...(after === undefined ? {} : { after }),
    })
    places.push(...page.flatMap((resource) => placeIn(resource, names)))
    after = page.at(-1)?.id
    if (page.length < PAGE || after === undefined) break
  }
  if (places.length === 0) throw ssfError('SSF_RECEIVER_UNKNOWN')
  return places
}

function placeIn({ audience, spiffeIds }: ResourceRecord, names: readonly string[]): readonly ReceiverPlace[] {
  const client = names.find((name) => spiffeIds.includes(name))
  return client === undefined ? [] : [{ audience, client }]
}

/** The streams of the caller: those that it, or another copy of it, has made and may still receive. */
export async function streamsOf(ports: ReceiverPorts, caller: Caller): Promise<readonly SsfStreamRecord[]> {
  const places = await placesOf(ports, caller)
  const clients = [...new Set(places.map(({ client }) => client))]
  const streams = await ports.reader.list('SsfStream', { where: { client: { in: clients } }, limit: PAGE })
  return streams.filter((stream) => isAt(stream, places))
}

/** Unknown and somebody else's answer alike. @throws SSF_STREAM_UNKNOWN, and as placesOf */
export async function findStream(ports: ReceiverPorts, caller: Caller, id: string): Promise<SsfStreamRecord> {
  const places = await placesOf(ports, caller)
  const stream = await ports.reader.find('SsfStream', { id })
  if (stream === null || !isAt(stream, places)) throw ssfError('SSF_STREAM_UNKNOWN')
  return stream
}

function isAt(stream: SsfStreamRecord, places: readonly ReceiverPlace[]): boolean {
  return places.some(({ audience, client }) => audience === stream.audience && client === stream.client)
}
