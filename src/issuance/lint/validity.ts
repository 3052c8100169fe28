import { SECOND } from '#kernel/instant.ts'
import type { Rule } from './rule.ts'

/** Begins at most the profile's backdate before it was issued, and never after; lives as long as the profile allows. */
export const validity: Rule = {
  name: 'validity',
  reference: 'RFC 5280 section 4.1.2.5; C5, C18',
  holds: ({ notBefore, notAfter }, { profile, issuedAt }) => {
    const back = issuedAt - notBefore
    const life = notAfter - issuedAt
    // Issuance is known to the millisecond, certificates to the second.
    return back >= 0 && back < profile.backdate + SECOND && life > 0 && life <= profile.mostLifetime
  },
}
