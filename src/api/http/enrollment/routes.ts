import { encodeBundle, type Bundle } from '#spiffe/index.ts'
import { toPem } from '#x509/index.ts'
import type { EnrollRequest } from '#flows/enroll.ts'
import type { EnrollChallenge, TpmChallenge } from '#flows/enroll-session.ts'
import type { RenewalAdvice } from '#flows/renewal-info.ts'
import type { SvidAnswer } from '#flows/svid-answer.ts'
import { toBase64 } from '#kernel/bytes.ts'
import { parseJson } from '#kernel/json.ts'
import { SECOND, toRfc3339 } from '#kernel/instant.ts'
import {
  enrollAnswerRequest,
  enrollOutcome,
  enrollRequest,
  jwtSvidAnswer,
  jwtSvidRequest,
  noBody,
  noQuery,
  parseRenewalId,
  renewalInfo,
  renewRequest,
  svidAnswer,
  type EnrollChallenge as ChallengeBody,
  type EnrollRequest as EnrollBody,
  type JwtSvidAnswer,
  type RenewalInfo,
  type SvidAnswer as SvidBody,
  type TrustBundleDocument,
} from '#wire/index.ts'
import { NO_BODY, route, SMALL_BODY } from '../build-route.ts'
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

const documents = new WeakMap<Bundle, TrustBundleDocument>()

/** Written once for each bundle, which never changes: that costs as much as a signature. */
function documentOf(bundle: Bundle): TrustBundleDocument {
  const known = documents.get(bundle)
  if (known !== undefined) return known
  const text = encodeBundle(bundle)
  const made = parseJson(text, { maxBytes: 1 << 20, maxDepth: 8 }) as unknown as TrustBundleDocument
  documents.set(bundle, made)
  return made
}

function deliver(flows: Flows, answer: SvidAnswer): Delivered {
  return { answer, bundle: documentOf(flows.authorities.current().bundle()) }
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
      ...(svid.witSvid === null ? {} : { wit_svid: svid.witSvid }),
    },
  }
}

function renderAdvice({ window, askAgainIn }: RenewalAdvice): {
  readonly body: RenewalInfo
  readonly headers: Readonly<Record<string, string>>
} {
  return {
    body: { suggested_window: { start: toRfc3339(window.start), end: toRfc3339(window.end) } },
    headers: { 'retry-after': String(askAgainIn / SECOND) },
  }
}

function enrollmentOf(body: EnrollBody): EnrollRequest {
  const keyAttestation = 'key_attestation' in body ? body.key_attestation : undefined
  return { ...body, keyAttestation }
}

function renderChallenge({ session, challenge, expiresAt }: EnrollChallenge): { status: 202; body: ChallengeBody } {
  const { nonce, tpm } = challenge
  const body = { session, nonce, expires_at: toRfc3339(expiresAt) }
  return { status: 202, body: tpm === undefined ? body : { ...body, tpm: renderTpm(tpm) } }
}

function renderTpm({ credentialBlob, encryptedSecret, pcrs }: TpmChallenge): ChallengeBody['tpm'] {
  return {
    credential_blob: toBase64(credentialBlob),
    encrypted_secret: toBase64(encryptedSecret),
    pcrs: pcrs === null ? null : { bank: pcrs.bank, indexes: [...pcrs.indexes] },
  }
}

export const ENROLLMENT_ROUTES: readonly Route[] = [
  route({
    ...base,
    id: 'enroll',
    summary: 'Exchange evidence for the first X.509-SVID of a new instance, or for a challenge (202)',
    path: '/v1/enroll',
    callers: ['anyone'],
    schema: { body: enrollRequest, query: noQuery, answer: enrollOutcome },
    status: 201,
    flow: async (flows, { caller, body }) => {
      const outcome = await flows.startEnrollment(caller, enrollmentOf(body))
      return 'session' in outcome ? outcome : deliver(flows, outcome)
    },
    render: (outcome) => ('session' in outcome ? renderChallenge(outcome) : renderSvid(outcome)),
  }),
  route({
    ...base,
    id: 'finishEnrollment',
    summary: 'Answer the challenge of an enrollment',
    path: '/v1/enroll/{session}',
    callers: ['anyone'],
    schema: { body: enrollAnswerRequest, query: noQuery, answer: svidAnswer },
    status: 201,
    hot: false,
    flow: async (flows, { caller, path, body }) =>
      deliver(flows, await flows.finishEnrollment(caller, { session: path['session'] ?? '', answer: body.answer })),
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
    method: 'GET',
    id: 'renewalInfo',
    summary: 'When a certificate is best renewed (RFC 9773 section 4): in the past means at once',
    path: '/v1/renewal-info/{certificate}',
    callers: ['anyone'],
    authentication: 'renewal',
    takes: 'nothing',
    limits: NO_BODY,
    schema: { body: noBody, query: noQuery, answer: renewalInfo },
    status: 200,
    hot: false,
    flow: (flows, { path }) => flows.renewalInfo(parseRenewalId(path['certificate'] ?? '')),
    render: renderAdvice,
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
