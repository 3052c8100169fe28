import { equal } from '#kernel/bytes.ts'
import type { Rule } from './rule.ts'

/** By key alone: with issuer and serial an authority could not be certified anew under the same key. */
export const authorityKeyIdentifier: Rule = {
  name: 'authority-key-identifier',
  reference: 'RFC 5280 section 4.2.1.1; C9',
  holds: (certificate, { issuer }) => {
    const extension = certificate.extension('authorityKeyIdentifier')
    if (extension?.keyIdentifier === undefined || extension.issuerAndSerial !== undefined) return false
    return equal(extension.keyIdentifier, issuer.keyIdentifier)
  },
}
