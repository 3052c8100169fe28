import { isIP } from 'node:net'
import type { Bytes } from '#kernel/bytes.ts'

export interface HostPort {
  readonly host: string
  readonly port: number
}

/** `host:port` as the configuration has checked it; an IPv6 host stands in brackets. */
export function parseHostPort(text: string): HostPort {
  const colon = text.lastIndexOf(':')
  return { host: bare(text.slice(0, colon)), port: Number(text.slice(colon + 1)) }
}

/** A host without the brackets of a URL. */
export function bare(host: string): string {
  return host.startsWith('[') ? host.slice(1, -1) : host
}

const WILDCARDS = ['0.0.0.0', '::']

/** How the server is named in its own certificate. */
export interface ServerNames {
  readonly dns: readonly string[]
  /** 4 or 16 octets each. */
  readonly addresses: readonly Bytes[]
}

/** The hosts of `public_url` and of the listener, the configured names, and this machine as it names itself. */
export function serverNames(config: {
  readonly public_url: string
  readonly listen: { readonly https: string }
  readonly tls: { readonly names: readonly string[] }
}): ServerNames {
  const publicHost = bare(new URL(config.public_url).hostname)
  const hosts = [
    publicHost,
    parseHostPort(config.listen.https).host,
    ...config.tls.names,
    'localhost',
    '127.0.0.1',
    '::1',
  ]
  const unique = [...new Set(hosts.map((host) => host.toLowerCase()))].filter((host) => !WILDCARDS.includes(host))
  return {
    dns: unique.filter((host) => isIP(host) === 0),
    addresses: unique.filter((host) => isIP(host) !== 0).map(addressBytes),
  }
}

function addressBytes(address: string): Bytes {
  if (isIP(address) === 4) return Uint8Array.from(address.split('.'), Number)
  const [head = '', tail] = address.split('::')
  const left = groupsOf(head)
  const right = tail === undefined ? [] : groupsOf(tail)
  const zeros = Array<number>(8 - left.length - right.length).fill(0)
  return Uint8Array.from([...left, ...zeros, ...right].flatMap((group) => [group >> 8, group & 0xff]))
}

/** An IPv4 tail counts as two groups. */
function groupsOf(text: string): number[] {
  if (text === '') return []
  return text.split(':').flatMap((group) => {
    if (!group.includes('.')) return [Number.parseInt(group, 16)]
    const [a = 0, b = 0, c = 0, d = 0] = group.split('.').map(Number)
    return [a * 256 + b, c * 256 + d]
  })
}
