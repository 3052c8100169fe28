import type { Rule } from './rule.ts'

/** A responder's certificate says that its own status need not be asked for, since it is short-lived; no other does. */
export const ocspNoCheck: Rule = {
  name: 'ocsp-no-check',
  reference: 'RFC 6960 section 4.2.2.2.1; O5',
  holds: (certificate, { profile }) => {
    const extension = certificate.extension('ocspNoCheck')
    if (!profile.extensions.includes('ocspNoCheck')) return extension === undefined
    return extension?.critical === false
  },
}
