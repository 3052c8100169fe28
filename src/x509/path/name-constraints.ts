import type { Bytes } from '#kernel/bytes.ts'
import type { Certificate } from '../certificate.ts'
import { refuseAs } from '../der/fault.ts'
import type { GeneralName, NameConstraints } from '../extensions/types.ts'
import { isWithinName, parseName } from '../name.ts'
import { OID } from '../oids.ts'
import { foldHost, isWithinDomain, matchesHostBase, uriHost } from './host.ts'

/** Every name of a certificate that constraints speak of: its subject, the e-mail addresses in it, its alternatives. */
export function constrainedNames(certificate: Certificate): readonly GeneralName[] {
  const relativeNames = nameOf(certificate.subject)
  const emails = relativeNames
    .flat()
    .filter(({ oid, text }) => oid === OID.emailAddress && text !== undefined)
    .map(({ text }): GeneralName => ({ type: 'email', value: text ?? '' }))
  const subject: GeneralName[] = relativeNames.length === 0 ? [] : [{ type: 'directory', value: certificate.subject }]
  return [...subject, ...emails, ...(certificate.extension('subjectAltName')?.names ?? [])]
}

function nameOf(der: Bytes) {
  return refuseAs('CERTIFICATE_MALFORMED', () => parseName(der))
}

/**
 * RFC 5280 section 6.1.3 (b) and (c) for the constraints of one authority. A name that cannot be compared with a
 * constraint of its type is not permitted.
 */
export function isAllowed(names: readonly GeneralName[], { permitted, excluded }: NameConstraints): boolean {
  return names.every((name) => {
    const inside = permitted.filter((base) => isSameType(name, base))
    const outside = excluded.filter((base) => isSameType(name, base))
    return (
      (inside.length === 0 || inside.some((base) => isInside(name, base))) &&
      !outside.some((base) => mayBeInside(name, base))
    )
  })
}

function isSameType(name: GeneralName, base: GeneralName): boolean {
  return name.type === 'other' || base.type === 'other'
    ? name.type === 'other' && base.type === 'other' && name.tag === base.tag
    : name.type === base.type
}

/** Certainly inside: what counts for a permission. Both are of one type. */
function isInside(name: GeneralName, base: GeneralName): boolean {
  if (name.type === 'other' || base.type === 'other') return false
  if (typeof name.value === 'string' && typeof base.value === 'string') {
    return TEXT_RULES[name.type as TextType](name.value, base.value)
  }
  if (typeof name.value === 'string' || typeof base.value === 'string') return false
  return name.type === 'ip'
    ? isWithinNetwork(name.value, base.value)
    : isWithinName(nameOf(name.value), nameOf(base.value))
}

type TextType = 'uri' | 'dns' | 'email'

const TEXT_RULES: Readonly<Record<TextType, (name: string, base: string) => boolean>> = {
  uri: (uri, base) => isWithinUriBase(uriHost(uri), base),
  dns: (name, base) => isWithinDomain(foldHost(name), foldHost(base)),
  email: isWithinMailBase,
}

/** Possibly inside: what counts for an exclusion. */
function mayBeInside(name: GeneralName, base: GeneralName): boolean {
  if (name.type === 'other') return true
  if (name.type === 'uri' && uriHost(name.value) === undefined) return true
  return isInside(name, base) || (name.type === 'dns' && base.type === 'dns' && wildcardReaches(name.value, base.value))
}

/** `*.example.org` covers the excluded `a.example.org`. */
function wildcardReaches(name: string, base: string): boolean {
  return name.startsWith('*.') && isWithinDomain(foldHost(base), foldHost(name.slice(2)))
}

function isWithinUriBase(host: string | undefined, base: string): boolean {
  return host !== undefined && matchesHostBase(host, foldHost(base))
}

function isWithinMailBase(address: string, base: string): boolean {
  const host = foldHost(address.slice(address.lastIndexOf('@') + 1))
  return base.includes('@') ? foldHost(address) === foldHost(base) : matchesHostBase(host, foldHost(base))
}

/** `base` is an address and a mask. */
function isWithinNetwork(address: Bytes, base: Bytes): boolean {
  const size = base.length / 2
  if (address.length !== size) return false
  return address.every((octet, index) => ((octet ^ (base[index] ?? 0)) & (base[size + index] ?? 0)) === 0)
}
