import type { Rule } from './rule.ts'

/** Nothing but what the profile knows; critical is only what RFC 5280 wants critical. */
export const extensions: Rule = {
  name: 'extensions',
  reference: 'RFC 5280 section 4.2; C8',
  holds: (certificate, { profile }) =>
    certificate.extensions.every(({ kind, critical }) => {
      const known = kind !== 'other' && profile.extensions.includes(kind)
      return known && (!critical || MAY_BE_CRITICAL.has(kind))
    }),
}

const MAY_BE_CRITICAL: ReadonlySet<string> = new Set([
  'basicConstraints',
  'keyUsage',
  'subjectAltName',
  'nameConstraints',
])
