import { PURPOSE } from '#x509/index.ts'
import type { Rule } from './rule.ts'

/** Exactly the purposes of the profile: an authority has none, since some verifiers then demand them of everybody below. */
export const extendedKeyUsage: Rule = {
  name: 'extended-key-usage',
  reference: 'X509-SVID section 4.4; RFC 5280 section 4.2.1.12; X-8, C15',
  holds: (certificate, { profile }) => {
    const purposes = certificate.extension('extKeyUsage')?.purposes ?? []
    return purposes.join() === profile.purposes.map((purpose) => PURPOSE[purpose]).join()
  },
}
