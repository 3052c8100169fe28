import { equal } from '#kernel/bytes.ts'
import type { Rule } from './rule.ts'

export const subjectKeyIdentifier: Rule = {
  name: 'subject-key-identifier',
  reference: 'RFC 5280 section 4.2.1.2; C10',
  holds: (certificate) => {
    const extension = certificate.extension('subjectKeyIdentifier')
    return extension !== undefined && equal(extension.keyIdentifier, certificate.publicKey.keyIdentifier)
  },
}
