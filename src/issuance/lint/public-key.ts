import { equal } from '#kernel/bytes.ts'
import type { Rule } from './rule.ts'

/** The key is the one that was proved; its size and form are for the parser to refuse. */
export const publicKey: Rule = {
  name: 'public-key',
  reference: 'RFC 5280 section 4.1.2.7',
  holds: (certificate, expected) => equal(certificate.publicKey.spki, expected.publicKey),
}
