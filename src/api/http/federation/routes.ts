import { TOKEN_KINDS } from '#jwt/index.ts'
import { encodeBundle } from '#spiffe/index.ts'
import {
  authorizationServerMetadata,
  jwkSet,
  noBody,
  noQuery,
  openidConfiguration,
  TOKEN_EXCHANGE_GRANT,
  trustBundle,
  type AuthorizationServerMetadata,
  type OpenidConfiguration,
} from '#wire/index.ts'
import { NO_BODY, route } from '../build-route.ts'
import type { Route } from '../route.ts'

/** Keys are published a while before they sign, so that a copy this old always has them. */
const CACHED = { 'cache-control': 'public, max-age=60' }

const base = {
  surface: 'api',
  method: 'GET',
  callers: ['anyone'],
  takes: 'nothing',
  limits: NO_BODY,
  errors: 'problem',
  status: 200,
  hot: false,
} as const

/** RFC 8414 section 2; RFC 8705 sections 3.3 and 5; RFC 9396 section 10. */
function metadataOf(publicUrl: string): AuthorizationServerMetadata {
  const endpoints = {
    token_endpoint: `${publicUrl}/oauth2/token`,
    introspection_endpoint: `${publicUrl}/oauth2/introspect`,
    revocation_endpoint: `${publicUrl}/oauth2/revoke`,
  }
  // `spiffe_x509` is what the working group calls it; libraries of today know the name of RFC 8705 only.
  const methods = ['tls_client_auth', 'spiffe_x509']
  return {
    issuer: publicUrl,
    ...endpoints,
    jwks_uri: `${publicUrl}/oauth2/jwks`,
    grant_types_supported: [TOKEN_EXCHANGE_GRANT],
    response_types_supported: [],
    token_endpoint_auth_methods_supported: methods,
    introspection_endpoint_auth_methods_supported: methods,
    revocation_endpoint_auth_methods_supported: methods,
    tls_client_certificate_bound_access_tokens: true,
    dpop_signing_alg_values_supported: [...TOKEN_KINDS['dpop-proof'].algorithms],
    mtls_endpoint_aliases: endpoints,
    authorization_details_types_supported: ['task'],
  }
}

/** OpenID Connect Discovery 1.0 section 3, as far as verifiers of JWT-SVIDs read it. */
function openidOf(publicUrl: string): OpenidConfiguration {
  const issuer = `${publicUrl}/spiffe`
  return {
    issuer,
    jwks_uri: `${issuer}/jwks`,
    response_types_supported: [],
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: ['ES256'],
  }
}

export const FEDERATION_ROUTES: readonly Route[] = [
  route({
    ...base,
    id: 'authorizationServerMetadata',
    summary: 'Authorization server metadata (RFC 8414)',
    path: '/.well-known/oauth-authorization-server',
    schema: { body: noBody, query: noQuery, answer: authorizationServerMetadata },
    flow: (flows) => Promise.resolve(metadataOf(flows.publicUrl)),
    render: (body) => ({ body, headers: CACHED }),
  }),
  route({
    ...base,
    id: 'accessTokenKeys',
    summary: 'The keys that task tokens and introspection answers are verified with (RFC 7517)',
    path: '/oauth2/jwks',
    // With the bundle it is what a receiver must have at once, also one whose own authority was compromised.
    authentication: 'renewal',
    schema: { body: noBody, query: noQuery, answer: jwkSet },
    flow: (flows) => Promise.resolve(flows.authorities.current().oauthJwks()),
    render: (body) => ({ body, headers: CACHED }),
  }),
  route({
    ...base,
    id: 'openidConfiguration',
    summary: 'Discovery for verifiers of JWT-SVIDs',
    path: '/spiffe/.well-known/openid-configuration',
    schema: { body: noBody, query: noQuery, answer: openidConfiguration },
    flow: (flows) => Promise.resolve(openidOf(flows.publicUrl)),
    render: (body) => ({ body, headers: CACHED }),
  }),
  route({
    ...base,
    id: 'jwtSvidKeys',
    summary: 'The keys that JWT-SVIDs are verified with (RFC 7517)',
    path: '/spiffe/jwks',
    schema: { body: noBody, query: noQuery, answer: jwkSet },
    flow: (flows) => Promise.resolve(flows.authorities.current().jwks('jwt-svid')),
    render: (body) => ({ body, headers: CACHED }),
  }),
  route({
    ...base,
    id: 'trustBundle',
    summary: 'The SPIFFE trust bundle',
    path: '/bundle',
    authentication: 'renewal',
    schema: { body: noBody, query: noQuery, answer: trustBundle },
    flow: (flows) => Promise.resolve(encodeBundle(flows.authorities.current().bundle())),
    render: (body) => ({ body, headers: { ...CACHED, 'content-type': 'application/json' } }),
  }),
]
