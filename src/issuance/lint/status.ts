import type { Rule } from './rule.ts'

/** Points to CRL, OCSP and issuer exactly where these are served, and nowhere while they are not. */
export const status: Rule = {
  name: 'status',
  reference: 'RFC 5280 sections 4.2.1.13 and 4.2.2.1; C16, C17',
  holds: (certificate, expected) => {
    const points = certificate.extension('crlDistributionPoints')?.uris ?? []
    const accesses = certificate.extension('authorityInfoAccess')?.accesses ?? []
    const { status: uris } = expected
    const wanted = uris === null ? [] : [`ocsp ${uris.ocsp}`, `caIssuers ${uris.caIssuers}`]
    return (
      points.join(' ') === (uris?.crl ?? '') &&
      accesses.map(({ method, uri }) => `${method} ${uri}`).join() === wanted.join()
    )
  },
}
