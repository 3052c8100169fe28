/** Lower case, without the dot of the root: two spellings of one host must not be two hosts. */
export function foldHost(host: string): string {
  const folded = host.toLowerCase()
  return folded.endsWith('.') ? folded.slice(0, -1) : folded
}

const AUTHORITY = /^[A-Za-z][A-Za-z0-9+.-]*:\/\/([^/?#]*)/
const HOST_AND_PORT = /^([A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*\.?)(:\d*)?$/
const IPV4 = /^\d+(\.\d+){3}$/

/**
 * The host of a URI for a constraint (RFC 5280 section 4.2.1.10), undefined when it has none that is a name: no
 * authority, a user, a percent-encoded host, an empty label, an address.
 */
export function uriHost(uri: string): string | undefined {
  const host = HOST_AND_PORT.exec(AUTHORITY.exec(uri)?.[1] ?? '')?.[1]
  return host === undefined || IPV4.test(host) ? undefined : foldHost(host)
}

/** Whether `host` is `domain` or lies below it; every host lies below the empty domain. */
export function isWithinDomain(host: string, domain: string): boolean {
  return domain === '' || host === domain || host.endsWith(`.${domain}`)
}

/** A base with a leading dot means what lies below it, without one exactly that host (URI and e-mail constraints). */
export function matchesHostBase(host: string, base: string): boolean {
  return base.startsWith('.') ? host.endsWith(base) && host.length > base.length : host === base
}
