import type { Rule } from './rule.ts'

export const basicConstraints: Rule = {
  name: 'basic-constraints',
  reference: 'X509-SVID section 4.1; RFC 5280 section 4.2.1.9; X-4, C12',
  holds: (certificate, { profile }) => {
    const extension = certificate.extension('basicConstraints')
    if (extension?.critical !== true) return false
    const pathLength = extension.pathLength ?? null
    return extension.ca === profile.authority && pathLength === profile.pathLength
  },
}
