import type { Rule } from './rule.ts'

export const keyUsage: Rule = {
  name: 'key-usage',
  reference: 'X509-SVID section 4.3; RFC 5280 section 4.2.1.3; X-5, X-6, X-7, C11',
  holds: (certificate, { profile }) => {
    const extension = certificate.extension('keyUsage')
    return extension?.critical === true && extension.usages.join() === profile.keyUsages.join()
  },
}
