import type { Rule, StatusUris } from './rule.ts'

/** Points to CRL, OCSP and issuer exactly where these are served, and nowhere while they are not. */
export const status: Rule = {
  name: 'status',
  reference: 'RFC 5280 sections 4.2.1.13 and 4.2.2.1; C16, C17',
  holds: (certificate, { status: uris }) => {
    const points = certificate.extension('crlDistributionPoints')?.uris ?? []
    const accesses = certificate.extension('authorityInfoAccess')?.accesses ?? []
    const found = accesses.map(({ method, uri }) => `${method} ${uri}`)
    return points.join(' ') === (uris?.crl ?? '') && found.join() === wantedAccesses(uris).join()
  },
}

function wantedAccesses(uris: StatusUris | null): readonly string[] {
  const online = uris?.online ?? null
  return online === null ? [] : [`ocsp ${online.ocsp}`, `caIssuers ${online.caIssuers}`]
}
