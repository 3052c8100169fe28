import { TOKEN_KINDS } from '#jwt/index.ts'

export interface ResourceFacts {
  readonly audience: string
  readonly issuer: string
  readonly dpop: boolean
}

/** RFC 9728 section 2: how a client gets a token for this service, and how it must show it. */
export function resourceMetadataOf({ audience, issuer, dpop }: ResourceFacts): Readonly<Record<string, unknown>> {
  return {
    resource: audience,
    authorization_servers: [issuer],
    bearer_methods_supported: ['header'],
    authorization_details_types_supported: ['task'],
    tls_client_certificate_bound_access_tokens: true,
    dpop_bound_access_tokens_required: false,
    ...(dpop ? { dpop_signing_alg_values_supported: [...TOKEN_KINDS['dpop-proof'].algorithms] } : {}),
  }
}
