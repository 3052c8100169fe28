import { z } from 'zod'

/** One public key (RFC 7517); members that we do not know are kept, as section 4 wants. */
export const publicJwk = z.looseObject({ kty: z.string().min(1).max(16), kid: z.string().max(256).optional() })

export const jwkSet = z.object({ keys: z.array(publicJwk).max(256) })
export type JwkSetDocument = z.output<typeof jwkSet>

/** A SPIFFE trust bundle document; `spiffe` parses and writes it, this only carries it. */
export const trustBundle = z.looseObject({
  keys: z.array(z.looseObject({})).max(256),
  spiffe_sequence: z.int().min(0).optional(),
  spiffe_refresh_hint: z.int().min(0).optional(),
})
export type TrustBundleDocument = z.output<typeof trustBundle>

const url = z.string().max(2048)

/** RFC 8414 section 2, with the members of RFC 8705, RFC 9396 and RFC 9449 that we serve. */
export const authorizationServerMetadata = z.object({
  issuer: url,
  token_endpoint: url,
  introspection_endpoint: url,
  revocation_endpoint: url,
  jwks_uri: url,
  grant_types_supported: z.array(z.string()),
  response_types_supported: z.array(z.string()),
  scopes_supported: z.array(z.string()).optional(),
  token_endpoint_auth_methods_supported: z.array(z.string()),
  introspection_endpoint_auth_methods_supported: z.array(z.string()),
  revocation_endpoint_auth_methods_supported: z.array(z.string()),
  tls_client_certificate_bound_access_tokens: z.boolean(),
  dpop_signing_alg_values_supported: z.array(z.string()),
  mtls_endpoint_aliases: z.object({ token_endpoint: url, introspection_endpoint: url, revocation_endpoint: url }),
  authorization_details_types_supported: z.array(z.string()),
})
export type AuthorizationServerMetadata = z.output<typeof authorizationServerMetadata>

/** What verifiers of JWT-SVIDs need of OpenID Connect Discovery. */
export const openidConfiguration = z.object({
  issuer: url,
  jwks_uri: url,
  response_types_supported: z.array(z.string()),
  subject_types_supported: z.array(z.string()),
  id_token_signing_alg_values_supported: z.array(z.string()),
})
export type OpenidConfiguration = z.output<typeof openidConfiguration>
