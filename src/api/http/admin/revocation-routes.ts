import type { Revocation } from '#flows/revoke/revoke.ts'
import { noQuery, revocationAnswered, revocationRequest, type RevocationAnswer } from '#wire/index.ts'
import { route } from '../build-route.ts'
import type { Route } from '../route.ts'
import { REVOKERS, writing } from './access.ts'
import { askedAnswer, hitsView } from './approval-views.ts'

/** Takes something back, by any handle. */
export const REVOCATION_ROUTES: readonly Route[] = [
  route({
    ...writing,
    id: 'revoke',
    summary: 'Take something back by any handle, or show what that would hit; 202 when others have to agree first',
    path: '/v1/revocations',
    callers: REVOKERS,
    status: 200,
    schema: { body: revocationRequest, query: noQuery, answer: revocationAnswered },
    flow: async (flows, { caller, body }) => {
      const { dry_run: dryRun = false, approval, break_glass: breakGlass, ...request } = body
      const revocation = dryRun
        ? { kind: 'done' as const, answer: await flows.previewRevocation(caller, request) }
        : await flows.revoke(caller, { ...request, approval, breakGlass })
      return { revocation, dryRun }
    },
    render: ({ revocation, dryRun }) =>
      revocation.kind === 'asked' ? askedAnswer(revocation) : { body: answerOf(revocation.answer, dryRun) },
  }),
]

function answerOf({ request, changed, hits }: Revocation, dryRun: boolean): RevocationAnswer {
  const { handle, value, reason } = request
  return { handle, value, reason, dry_run: dryRun, changed, hits: hitsView(hits) }
}
