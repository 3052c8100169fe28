import {
  authorityRequested,
  authorityStepAnswered,
  authorityStepRequest,
  authorityTaintRequest,
  authorityView as authoritySchema,
  importAuthorityRequest,
  importCrlRequest,
  importedCrl,
  noBody,
  noQuery,
  requestAuthorityRequest,
  rotationAnswer,
  type AuthorityRequested,
  type AuthorityStepAnswer,
  type AuthorityStepRequest,
  type GateView,
  type RotationAnswer,
} from '#wire/index.ts'
import type { Gate } from '#authority/index.ts'
import type { StepForecast, StepOutcome } from '#flows/admin/authorities.ts'
import type { Gated, GatedStepRequest } from '#flows/approvals/step-authority.ts'
import type { AuthorityStep } from '#flows/rotation/order.ts'
import type { AuthorityProgress } from '#flows/rotation/show-rotation.ts'
import type { Caller } from '#authentication/index.ts'
import { SECOND, toRfc3339 } from '#kernel/instant.ts'
import { fromPem, toPem } from '#x509/index.ts'
import { route } from '../build-route.ts'
import type { CallerClass, Route } from '../route.ts'
import type { Flows } from '../flows.ts'
import { READERS, reading, writing } from './access.ts'
import { askedAnswer, changesView } from './approval-views.ts'
import { crlStatusView, importedCrlView } from './crl-views.ts'
import { authorityView, bodyOf } from './views.ts'

const CA_ADMINS: readonly CallerClass[] = ['ca-admin']

const STEPS: readonly (readonly [Exclude<AuthorityStep, 'taint'>, string])[] = [
  ['publish', 'Let others trust an authority before it signs for them'],
  ['activate', 'Let a published authority sign from now on'],
  ['rollback', 'Let the predecessor of the active authority sign again'],
  ['retire', 'Take an authority out of what others must trust'],
]

const stepping = { ...writing, callers: CA_ADMINS, status: 200 } as const

/** What a CA admin does with authorities. */
export const AUTHORITY_ROUTES: readonly Route[] = [
  route({
    ...writing,
    id: 'requestAuthority',
    summary: 'Make one more authority; where a ceremony has to sign it, a key and a request',
    path: '/v1/authorities',
    callers: CA_ADMINS,
    schema: { body: requestAuthorityRequest, query: noQuery, answer: authorityRequested },
    flow: (flows, { caller, body }) => flows.askForAuthority(caller, body.kind),
    render: ({ authority, request }): { readonly body: AuthorityRequested } => ({
      body: {
        authority: authorityView(authority),
        request: request === null ? null : toPem('CERTIFICATE REQUEST', request),
      },
    }),
  }),
  route({
    ...writing,
    id: 'importAuthority',
    summary: 'Take a root, or the certificate of an authority that waits for it, from a ceremony',
    path: '/v1/authorities/import',
    callers: CA_ADMINS,
    schema: { body: importAuthorityRequest, query: noQuery, answer: authoritySchema },
    flow: async (flows, { caller, body }) => flows.bringAuthority(caller, fromPem('CERTIFICATE', body.certificate)),
    render: bodyOf(authorityView),
  }),
  route({
    ...writing,
    id: 'importCrl',
    summary: 'Take a CRL that a ceremony signed with a root; it is served as soon as its time has come',
    path: '/v1/crls/import',
    callers: CA_ADMINS,
    schema: { body: importCrlRequest, query: noQuery, answer: importedCrl },
    flow: async (flows, { caller, body }) => flows.bringCrl(caller, fromPem('X509 CRL', body.crl)),
    render: bodyOf(importedCrlView),
  }),
  ...STEPS.map(([step, summary]) =>
    route({
      ...stepping,
      id: `${step}Authority`,
      summary,
      path: `/v1/authorities/{id}/${step}`,
      schema: { body: authorityStepRequest, query: noQuery, answer: authorityStepAnswered },
      flow: async (flows, { caller, body, path }) =>
        takeStep(flows, caller, { id: path['id'] ?? '', step, ...termsOf(body) }),
      render: takenAnswer,
    }),
  ),
  route({
    ...stepping,
    id: 'taintAuthority',
    summary: 'Take an authority out of use at once, also the one that signs; its holders renew, then it is revoked',
    path: '/v1/authorities/{id}/taint',
    schema: { body: authorityTaintRequest, query: noQuery, answer: authorityStepAnswered },
    flow: async (flows, { caller, body, path }) => {
      const { compromised } = body
      const within = body.within === undefined ? undefined : body.within * SECOND
      return takeStep(flows, caller, { id: path['id'] ?? '', step: 'taint', ...termsOf(body), within, compromised })
    },
    render: takenAnswer,
  }),
  route({
    ...reading,
    id: 'showRotation',
    summary: 'How far each authority is, what holds its next step, and how many already trust it',
    path: '/v1/rotation',
    callers: READERS,
    schema: { body: noBody, query: noQuery, answer: rotationAnswer },
    flow: (flows, { caller }) => flows.showRotation(caller),
    render: (items) => ({ body: { items: items.map(progressView) } }),
  }),
]

interface Taken {
  readonly dryRun: boolean
  readonly outcome: Gated<StepOutcome>
  /** Null unless nothing was changed. */
  readonly forecast: StepForecast | null
}

/** What a step says besides its authority. */
function termsOf(body: AuthorityStepRequest): Omit<GatedStepRequest, 'id' | 'step'> {
  const { version, urgent = false, reason, dry_run: dryRun = false, approval, break_glass: breakGlass } = body
  return { version, urgent, reason, dryRun, approval, breakGlass }
}

async function takeStep(flows: Flows, caller: Caller, request: GatedStepRequest): Promise<Taken> {
  const { dryRun } = request
  const forecast = dryRun ? await flows.forecastStep(caller, request) : null
  return { dryRun, outcome: await flows.stepAuthority(caller, request), forecast }
}

function takenAnswer({ dryRun, outcome, forecast }: Taken) {
  if (outcome.kind === 'asked') return askedAnswer(outcome)
  const body: AuthorityStepAnswer = {
    dry_run: dryRun,
    changes: changesView(outcome.answer),
    gate: forecast === null ? null : gateView(forecast.gate),
    affected: forecast === null ? null : { ...forecast.affected, first: [...forecast.affected.first] },
    unaware: forecast?.unaware == null ? null : { ...forecast.unaware, first: [...forecast.unaware.first] },
  }
  return { body }
}

function gateView(gate: Gate | null): GateView | null {
  if (gate === null) return null
  const { step, open, because, opensAt, adoption } = gate
  return {
    step,
    open,
    because,
    opens_at: opensAt === null ? null : toRfc3339(opensAt),
    adoption,
  }
}

function progressView(progress: AuthorityProgress): RotationAnswer['items'][number] {
  const { authority, gate, next, standby, crl, at: now } = progress
  const { id, kind, state, version } = authority
  const at = next?.at ?? null
  return {
    authority: id,
    kind,
    state,
    version,
    gate: gateView(gate),
    next: next === null ? null : { step: next.step, at: at === null ? null : toRfc3339(at) },
    standby,
    crl: crl === null ? null : crlStatusView(crl, now),
  }
}
