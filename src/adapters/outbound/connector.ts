import { lookup as systemLookup } from 'node:dns'
import { isIP, type LookupFunction } from 'node:net'
import { buildConnector } from 'undici'
import { mayConnect, type Reach } from './addresses.ts'
import { outboundError } from './errors.ts'

export interface ResolvedAddress {
  readonly address: string
  readonly family: number
}

/** Every address of a name. */
export type Resolve = (hostname: string) => Promise<readonly ResolvedAddress[]>

export const systemResolve: Resolve = (hostname) =>
  new Promise((resolve, reject) => {
    systemLookup(hostname, { all: true }, (error, addresses) => {
      if (error === null) resolve(addresses)
      else reject(outboundError('OUTBOUND_UNRESOLVED', { cause: error, details: { hostname } }))
    })
  })

export interface ConnectorOptions {
  readonly reach: Reach
  /** PEM; the roots of Node where there are none. */
  readonly ca?: string | undefined
  readonly resolve: Resolve
  readonly timeout: number
}

/**
 * Connects to checked addresses only. A name is resolved once for each connection, and what was checked is what is
 * connected to: a name that leads elsewhere a moment later (DNS rebinding) changes nothing. One forbidden address
 * among several refuses the name.
 */
export function guardedConnector({ reach, ca, resolve, timeout }: ConnectorOptions): buildConnector.connector {
  const connect = buildConnector({
    ...(ca === undefined ? {} : { ca }),
    lookup: guardedLookup(reach, resolve),
    minVersion: 'TLSv1.2',
    maxCachedSessions: 0,
    timeout,
  })
  return (options, callback) => {
    // Node does not look up what is an address already.
    const literal = options.hostname.replace(/^\[|\]$/g, '')
    if (isIP(literal) !== 0 && !mayConnect(literal, reach)) callback(forbidden(options.hostname), null)
    else connect(options, callback)
  }
}

function guardedLookup(reach: Reach, resolve: Resolve): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname).then(
      (addresses) => {
        const [first] = addresses
        if (first === undefined) callback(outboundError('OUTBOUND_UNRESOLVED', { details: { hostname } }), '')
        else if (!addresses.every(({ address }) => mayConnect(address, reach))) callback(forbidden(hostname), '')
        else if (options.all === true) callback(null, [...addresses])
        else callback(null, first.address, first.family)
      },
      (error: unknown) => {
        callback(error instanceof Error ? error : outboundError('OUTBOUND_UNRESOLVED'), '')
      },
    )
  }
}

function forbidden(hostname: string): Error {
  return outboundError('OUTBOUND_ADDRESS_FORBIDDEN', { details: { hostname } })
}
