import { toHex } from '#kernel/bytes.ts'
import type { Certificate, GeneralName } from '#x509/index.ts'
import type { Expected, Rule } from './rule.ts'

const DNS_LABEL = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/

/** Beside the SPIFFE ID only the registered DNS names (and the server's addresses), and none that is reserved. */
export const alternativeNames: Rule = {
  name: 'alternative-names',
  reference: 'RFC 5280 section 4.2.1.6; C6, C13, X-3',
  holds: (certificate, expected) => {
    const extension = certificate.extension('subjectAltName')
    if (expected.spiffeId === null) return extension === undefined
    if (extension === undefined || extension.critical !== !expected.profile.authority) return false
    return sameNames(certificate, expected) && expected.dnsNames.every((name) => mayCarry(name, expected))
  },
}

function sameNames(certificate: Certificate, expected: Expected): boolean {
  const names = certificate.extension('subjectAltName')?.names ?? []
  const wanted = [
    ...expected.dnsNames.map((name) => `dns:${name}`),
    ...expected.ipAddresses.map((address) => `ip:${toHex(address)}`),
  ]
  const present = names.filter(({ type }) => type !== 'uri').map(spelled)
  return present.length === wanted.length && present.every((name, index) => name === wanted[index])
}

function spelled(name: GeneralName): string {
  return `${name.type}:${typeof name.value === 'string' ? name.value : toHex(name.value)}`
}

function mayCarry(name: string, { reservedNames }: Expected): boolean {
  const isPlain = name.length <= 253 && name.split('.').every((label) => DNS_LABEL.test(label))
  return isPlain && !reservedNames.some((reserved) => reserved.toLowerCase() === name)
}
