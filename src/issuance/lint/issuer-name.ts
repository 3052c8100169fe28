import { equal } from '#kernel/bytes.ts'
import type { Rule } from './rule.ts'

/** Byte for byte, since that is how many verifiers chain. */
export const issuerName: Rule = {
  name: 'issuer-name',
  reference: 'RFC 5280 section 4.1.2.4; C4',
  holds: (certificate, { issuer }) => equal(certificate.issuer, issuer.name),
}
