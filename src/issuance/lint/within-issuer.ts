import type { Rule } from './rule.ts'

export const withinIssuer: Rule = {
  name: 'within-issuer',
  reference: 'CA/B baseline requirements 7.1.2.7; C18',
  holds: ({ notAfter }, { issuer }) => issuer.notAfter === null || notAfter <= issuer.notAfter,
}
