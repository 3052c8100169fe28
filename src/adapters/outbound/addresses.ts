import { BlockList, isIPv4, isIPv6 } from 'node:net'

/** Where a name may lead. */
export type Reach = 'public' | 'private-too'

/** RFC 6890 and the registries that it founded: what no name on the Internet has to lead to. */
const NOWHERE_4 = blockOf('ipv4', [
  ['0.0.0.0', 8],
  ['169.254.0.0', 16],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
])
const PRIVATE_4 = blockOf('ipv4', [
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
])
/** Global unicast, of which the ranges below carry other addresses inside, or are for documentation. */
const GLOBAL_6 = blockOf('ipv6', [['2000::', 3]])
const NOWHERE_6 = blockOf('ipv6', [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
])
const PRIVATE_6 = blockOf('ipv6', [
  ['::1', 128],
  ['fc00::', 7],
])

/**
 * Whether a connection to this address is allowed. Link-local addresses (where clouds keep their metadata), multicast,
 * reserved ranges and IPv6 addresses with an IPv4 one inside are so for nobody.
 */
export function mayConnect(address: string, reach: Reach): boolean {
  if (isIPv4(address)) {
    if (NOWHERE_4.check(address, 'ipv4')) return false
    return reach === 'private-too' || !PRIVATE_4.check(address, 'ipv4')
  }
  if (!isIPv6(address) || address.includes('%')) return false
  if (PRIVATE_6.check(address, 'ipv6')) return reach === 'private-too'
  return GLOBAL_6.check(address, 'ipv6') && !NOWHERE_6.check(address, 'ipv6')
}

function blockOf(family: 'ipv4' | 'ipv6', ranges: readonly (readonly [string, number])[]): BlockList {
  const list = new BlockList()
  for (const [network, prefix] of ranges) list.addSubnet(network, prefix, family)
  return list
}
