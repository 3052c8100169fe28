import { isWritError } from '#kernel/errors.ts'
import { SpiffeId } from '#spiffe/index.ts'
import type { Certificate } from '#x509/index.ts'
import type { Expected, Rule } from './rule.ts'

/** Exactly one URI, the SPIFFE ID that was granted, in our trust domain; a leaf's has a path, an authority's none. A responder has no ID. */
export const spiffeId: Rule = {
  name: 'spiffe-id',
  reference: 'X509-SVID sections 2, 3.1 and 3.2; X-1, X-2, X-9',
  holds: (certificate, expected) => {
    const [uri, ...others] = urisOf(certificate)
    if (uri === undefined) return expected.spiffeId === null
    return uri === expected.spiffeId && others.length === 0 && isOfItsKind(uri, expected)
  },
}

function urisOf(certificate: Certificate): readonly string[] {
  const names = certificate.extension('subjectAltName')?.names ?? []
  return names.flatMap((name) => (name.type === 'uri' ? [name.value] : []))
}

function isOfItsKind(uri: string, { profile, trustDomain }: Expected): boolean {
  try {
    const id = SpiffeId.parse(uri)
    return id.trustDomain.name === trustDomain && (id.path === '') === profile.authority
  } catch (error) {
    if (isWritError(error)) return false
    throw error
  }
}
