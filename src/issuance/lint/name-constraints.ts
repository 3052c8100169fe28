import type { Rule } from './rule.ts'

/** Where asked for: URIs of our trust domain, and nothing else constrained. */
export const nameConstraints: Rule = {
  name: 'name-constraints',
  reference: 'RFC 5280 section 4.2.1.10; C14',
  holds: (certificate, { permittedUriHost }) => {
    const extension = certificate.extension('nameConstraints')
    if (extension === undefined || permittedUriHost === null) {
      return extension === undefined && permittedUriHost === null
    }
    const [first, ...others] = extension.permitted
    const isOurs = first?.type === 'uri' && first.value === permittedUriHost
    return extension.critical && isOurs && others.length === 0 && extension.excluded.length === 0
  },
}
