import { noBody, noQuery } from '#wire/index.ts'
import { NO_BODY, route } from '../build-route.ts'
import { httpError } from '../errors.ts'
import { CRL_ROUTES } from './crl-routes.ts'
import type { Route } from '../route.ts'

/** What relying parties fetch without TLS, since it is signed itself. */
export const STATUS_ROUTES: readonly Route[] = [
  route({
    surface: 'status',
    id: 'authorityCertificate',
    summary: 'The certificate of an authority, DER (RFC 5280 section 4.2.2.1)',
    method: 'GET',
    path: '/ca/{authority}.cer',
    callers: ['anyone'],
    takes: 'nothing',
    limits: NO_BODY,
    errors: 'problem',
    schema: { body: noBody, query: noQuery, answer: null },
    status: 200,
    hot: false,
    flow: (flows, { path }) => {
      const certificate = flows.authorities.current().find(path['authority'] ?? '')?.certificate ?? null
      return certificate === null ? Promise.reject(httpError('ROUTE_NOT_FOUND')) : Promise.resolve(certificate)
    },
    render: (body) => ({
      body,
      headers: { 'content-type': 'application/pkix-cert', 'cache-control': 'public, max-age=86400' },
    }),
  }),
  ...CRL_ROUTES,
]
