import {
  checkAudience,
  checkIssuer,
  checkTimes,
  ClaimReader,
  MAX_SKEW,
  parseCompact,
  VerifiedToken,
  type UnverifiedToken,
} from '#jwt/index.ts'
import { after } from '#kernel/instant.ts'
import type { JsonObject } from '#kernel/json.ts'
import { attested, saltedDigest, type Attested } from '../attested.ts'
import type { AttestContext, Attestor } from '../attestor.ts'
import { attestationError } from '../errors.ts'
import type { IssuerKeys } from '../ports.ts'
import type { OidcProvider } from './provider.ts'
import { selectorsOf } from './selectors.ts'
import { workloadOf } from './workload.ts'

export const OIDC_ATTESTOR = 'oidc'

/** Identity tokens of workloads are one to three kilobytes. */
const MAX_TOKEN = 12 * 1024

export interface OidcOptions {
  readonly providers: readonly OidcProvider[]
  readonly keys: IssuerKeys
}

/**
 * Evidence `{token}`: an identity token (a JWT, OpenID Connect Core section 2) of a configured issuer, meant for us
 * alone. Every claim is looked at before any key is fetched or used, and believed only after the signature.
 */
export function oidcAttestor(options: OidcOptions): Attestor {
  return {
    name: OIDC_ATTESTOR,
    begin: async (evidence, context) => ({ kind: 'attested', attested: await attest(options, evidence, context) }),
  }
}

async function attest(
  { providers, keys }: OidcOptions,
  evidence: JsonObject,
  context: AttestContext,
): Promise<Attested> {
  // 1. It looks like a token of one provider, for us, now.
  const { token: text } = evidence
  if (typeof text !== 'string' || Object.keys(evidence).length !== 1) throw attestationError('EVIDENCE_INVALID')
  const token = parseCompact(text, 'id-token', MAX_TOKEN)
  const provider = providerOf(providers, context.provider, token)
  checkClaims(provider, token, context)
  // 2. It is one: a key of the issuer has signed it, with an algorithm of that key.
  const { claims } = await keys.verifyWith(provider.name, (set) => VerifiedToken.verify(token, set))
  return attested({
    attestor: OIDC_ATTESTOR,
    selectors: selectorsOf(provider, claims),
    ...saltedDigest(token.signingInput, context.random),
    keyClass: 'software',
    keyClassSource: 'declared',
    at: context.now,
    namedAgent: null,
    consumption: null,
    workload: workloadOf(provider, claims, token.signingInput),
  })
}

/** The provider that the request names, else the only one of the token's issuer. */
function providerOf(
  providers: readonly OidcProvider[],
  wanted: string | undefined,
  token: UnverifiedToken,
): OidcProvider {
  if (wanted !== undefined) {
    const named = providers.find(({ name }) => name === wanted)
    if (named === undefined) throw attestationError('PROVIDER_UNKNOWN')
    return named
  }
  const issuer = new ClaimReader(token.claims).string('iss')
  const [only, second] = providers.filter((provider) => provider.issuer === issuer)
  if (only === undefined) throw attestationError('OIDC_ISSUER_UNKNOWN')
  if (second !== undefined) throw attestationError('PROVIDER_UNKNOWN')
  return only
}

/**
 * `iss`, `sub`, `aud`, `exp` and `iat` are there and right. Whoever else a token is meant for could show it here.
 * @throws JWT_CLAIM_MISSING, JWT_CLAIM_INVALID, JWT_ISSUER_WRONG, JWT_AUDIENCE_WRONG, JWT_EXPIRED, JWT_NOT_YET_VALID,
 * OIDC_TOKEN_TOO_OLD
 */
function checkClaims(provider: OidcProvider, token: UnverifiedToken, { now }: AttestContext): void {
  const claims = new ClaimReader(token.claims)
  checkIssuer(claims, provider.issuer)
  claims.string('sub')
  checkAudience(claims, provider.audience, 'sole')
  const issuedAt = claims.instant('iat')
  checkTimes(claims, { now })
  if (now > after(issuedAt, provider.maxTokenAge + MAX_SKEW)) throw attestationError('OIDC_TOKEN_TOO_OLD')
}
