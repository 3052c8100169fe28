import type { ShownCrl } from '#flows/crl/show-crl.ts'
import { noBody, noQuery } from '#wire/index.ts'
import { NO_BODY, route } from '../build-route.ts'
import type { Answer, Route } from '../route.ts'

const base = {
  surface: 'status',
  method: 'GET',
  callers: ['anyone'],
  takes: 'nothing',
  limits: NO_BODY,
  errors: 'problem',
  schema: { body: noBody, query: noQuery, answer: null },
  status: 200,
  hot: false,
} as const

interface Asked {
  readonly crl: ShownCrl
  readonly ifNoneMatch: string
}

/** RFC 2585 section 4; RFC 9110 sections 8.8 and 13.1.2. Who has it already is told so. */
function render({ crl, ifNoneMatch }: Asked): Omit<Answer, 'status'> & { readonly status?: number } {
  const etag = `"${crl.digest}"`
  const headers = {
    'content-type': 'application/pkix-crl',
    'cache-control': `public, max-age=${String(crl.maxAge)}, no-transform`,
    'last-modified': new Date(crl.thisUpdate).toUTCString(),
    etag,
  }
  return isKnown(ifNoneMatch, etag) ? { status: 304, body: null, headers } : { body: crl.der, headers }
}

function isKnown(ifNoneMatch: string, etag: string): boolean {
  const known = ifNoneMatch.split(',').map((tag) => tag.trim().replace(/^W\//, ''))
  return known.includes(etag) || known.includes('*')
}

export const CRL_ROUTES: readonly Route[] = [
  route({
    ...base,
    id: 'crlShard',
    summary: 'The CRL of a shard of an authority, DER: what its certificates name (RFC 5280 section 4.2.1.13)',
    path: '/crl/{authority}/{shard}.crl',
    flow: async (flows, { path, ifNoneMatch }) => ({
      crl: await flows.showCrl({ authority: path['authority'] ?? '', shard: path['shard'] ?? '' }),
      ifNoneMatch,
    }),
    render,
  }),
  route({
    ...base,
    id: 'crl',
    summary: 'The CRL of everything that an authority signed, DER (RFC 5280 section 5)',
    path: '/crl/{authority}.crl',
    flow: async (flows, { path, ifNoneMatch }) => ({
      crl: await flows.showCrl({ authority: path['authority'] ?? '', shard: null }),
      ifNoneMatch,
    }),
    render,
  }),
]
