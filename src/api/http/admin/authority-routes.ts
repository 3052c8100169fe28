import {
  authorityRequested,
  authorityStepAnswered,
  authorityStepRequest,
  authorityView as authoritySchema,
  importAuthorityRequest,
  noQuery,
  requestAuthorityRequest,
  type AuthorityRequested,
  type AuthorityStepAnswer,
} from '#wire/index.ts'
import type { StepOutcome } from '#flows/admin/authorities.ts'
import type { AuthorityStep } from '#flows/transition-authority.ts'
import { fromPem, toPem } from '#x509/index.ts'
import { route } from '../build-route.ts'
import type { CallerClass, Route } from '../route.ts'
import { writing } from './access.ts'
import { askedAnswer, changesView } from './approval-views.ts'
import { authorityView, bodyOf } from './views.ts'

const CA_ADMINS: readonly CallerClass[] = ['ca-admin']

const STEPS: readonly (readonly [AuthorityStep, string])[] = [
  ['publish', 'Let others trust an authority before it signs for them'],
  ['activate', 'Let a published authority sign from now on'],
  ['rollback', 'Let the predecessor of the active authority sign again'],
  ['retire', 'Take an authority out of what others must trust'],
  ['taint', 'Take an authority out of use at once'],
]

/** What a CA admin does with authorities. */
export const AUTHORITY_ROUTES: readonly Route[] = [
  route({
    ...writing,
    id: 'requestAuthority',
    summary: 'Make a key for one more issuing authority, and the request that a ceremony signs',
    path: '/v1/authorities',
    callers: CA_ADMINS,
    schema: { body: requestAuthorityRequest, query: noQuery, answer: authorityRequested },
    flow: (flows, { caller }) => flows.askForAuthority(caller),
    render: ({ authority, request }): { readonly body: AuthorityRequested } => ({
      body: { authority: authorityView(authority), request: toPem('CERTIFICATE REQUEST', request) },
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
  ...STEPS.map(([step, summary]) =>
    route({
      ...writing,
      id: `${step}Authority`,
      summary,
      path: `/v1/authorities/{id}/${step}`,
      callers: CA_ADMINS,
      status: 200,
      schema: { body: authorityStepRequest, query: noQuery, answer: authorityStepAnswered },
      flow: async (flows, { caller, body, path }) => {
        const { version, urgent = false, dry_run: dryRun = false, approval, break_glass: breakGlass } = body
        return {
          dryRun,
          outcome: await flows.stepAuthority(caller, {
            id: path['id'] ?? '',
            step,
            version,
            urgent,
            dryRun,
            approval,
            breakGlass,
          }),
        }
      },
      render: ({ dryRun, outcome }) =>
        outcome.kind === 'asked' ? askedAnswer(outcome) : { body: answerOf(dryRun, outcome.answer) },
    }),
  ),
]

function answerOf(dryRun: boolean, outcome: StepOutcome): AuthorityStepAnswer {
  return { dry_run: dryRun, changes: changesView(outcome) }
}
