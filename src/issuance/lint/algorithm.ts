import type { Rule } from './rule.ts'

/** The algorithm is the issuer's; that both places say the same is for the parser to refuse. */
export const algorithm: Rule = {
  name: 'algorithm',
  reference: 'RFC 5280 section 4.1.1.2; C3',
  holds: ({ signatureAlgorithm }, { issuer }) => signatureAlgorithm.name === issuer.algorithm,
}
