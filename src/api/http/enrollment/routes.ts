import { encodeBundle } from '#spiffe/index.ts'
import { toPem } from '#x509/index.ts'
import type { SvidAnswer } from '#flows/svid-answer.ts'
import { parseJson } from '#kernel/json.ts'
import { toRfc3339 } from '#kernel/instant.ts'
import {
  enrollRequest,
  jwtSvidAnswer,
  jwtSvidRequest,
  noQuery,
  renewRequest,
  svidAnswer,
  type JwtSvidAnswer,
  type SvidAnswer as SvidBody,
  type TrustBundleDocument,
} from '#wire/index.ts'
import { route, SMALL_BODY } from '../build-route.ts'
import type { Flows } from '../flows.ts'
import type { Route } from '../route.ts'

const base = {
  surface: 'api',
  method: 'POST',
  takes: 'json',
  limits: SMALL_BODY,
  errors: 'problem',
  hot: true,
} as const

/** An SVID and the bundle of the moment, which the holder needs to verify others. */
interface Delivered {
  readonly answer: SvidAnswer
  readonly bundle: TrustBundleDocument
}

function deliver(flows: Flows, answer: SvidAnswer): Delivered {
  const text = encodeBundle(flows.authorities.current().bundle())
  return { answer, bundle: parseJson(text, { maxBytes: 1 << 20, maxDepth: 8 }) as unknown as TrustBundleDocument }
}

function renderSvid({ answer, bundle }: Delivered): { readonly body: SvidBody } {
  const { svid } = answer
  return {
    body: {
      instance: answer.instance,
      spiffe_id: svid.spiffeId,
      certificate: toPem('CERTIFICATE', svid.certificate),
      chain: svid.chain.map((der) => toPem('CERTIFICATE', der)).join(''),
      bundle,
      serial: svid.serial,
      not_before: toRfc3339(svid.notBefore),
      not_after: toRfc3339(svid.notAfter),
      renew_at: toRfc3339(answer.renewAt),
      lifetime_cut: svid.lifetimeCut,
    },
  }
}

export const ENROLLMENT_ROUTES: readonly Route[] = [
  route({
    ...base,
    id: 'enroll',
    summary: 'Exchange evidence for the first X.509-SVID of a new instance',
    path: '/v1/enroll',
    callers: ['anyone'],
    schema: { body: enrollRequest, query: noQuery, answer: svidAnswer },
    status: 201,
    flow: async (flows, { caller, body }) => deliver(flows, await flows.enroll(caller, body)),
    render: renderSvid,
  }),
  route({
    ...base,
    id: 'renew',
    summary: 'Renew the X.509-SVID that the connection was made with',
    path: '/v1/renew',
    callers: ['agent'],
    authentication: 'renewal',
    schema: { body: renewRequest, query: noQuery, answer: svidAnswer },
    status: 200,
    flow: async (flows, { caller, body }) => deliver(flows, await flows.renew(caller, body)),
    render: renderSvid,
  }),
  route({
    ...base,
    id: 'issueJwtSvid',
    summary: 'Get a JWT-SVID for one or more audiences',
    path: '/v1/jwt-svid',
    callers: ['agent'],
    schema: { body: jwtSvidRequest, query: noQuery, answer: jwtSvidAnswer },
    status: 200,
    hot: false,
    flow: (flows, { caller, body }) => flows.issueJwtSvid(caller, body),
    render: ({ token, spiffeId, expiresAt }): { readonly body: JwtSvidAnswer } => ({
      body: { token, spiffe_id: spiffeId, expires_at: toRfc3339(expiresAt) },
    }),
  }),
]
