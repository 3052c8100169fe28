import type { Revocation } from '#flows/revoke/revoke.ts'
import { toRfc3339 } from '#kernel/instant.ts'
import { noQuery, revocationAnswer, revocationRequest, type RevocationAnswer } from '#wire/index.ts'
import { route } from '../build-route.ts'
import type { Route } from '../route.ts'
import { REVOKERS, writing } from './access.ts'

/** Takes something back, by any handle. */
export const REVOCATION_ROUTES: readonly Route[] = [
  route({
    ...writing,
    id: 'revoke',
    summary: 'Take something back by any handle, or show what that would hit',
    path: '/v1/revocations',
    callers: REVOKERS,
    status: 200,
    schema: { body: revocationRequest, query: noQuery, answer: revocationAnswer },
    flow: async (flows, { caller, body }) => {
      const { dry_run: dryRun = false, ...request } = body
      const revocation = await (dryRun ? flows.previewRevocation(caller, request) : flows.revoke(caller, request))
      return { revocation, dryRun }
    },
    render: ({ revocation, dryRun }) => ({ body: answerOf(revocation, dryRun) }),
  }),
]

function answerOf({ request, changed, hits }: Revocation, dryRun: boolean): RevocationAnswer {
  const agents = new Map(hits.agents.map((agent) => [agent.id, agent]))
  return {
    ...request,
    dry_run: dryRun,
    changed,
    hits: {
      instances: hits.instances.map(({ id, spiffeId, agent }) => ({
        id,
        spiffe_id: spiffeId,
        agent: agents.get(agent)?.name ?? agent,
        owner: agents.get(agent)?.owner ?? '-',
      })),
      certificates: hits.certificates.map(({ serial, spiffeId, notAfter }) => ({
        serial,
        spiffe_id: spiffeId,
        not_after: toRfc3339(notAfter),
      })),
      tasks: hits.tasks.map(({ id, subject, owner }) => ({ id, subject, owner })),
      tokens: hits.tokens.map(({ jti, audience, task, expiresAt }) => ({
        jti,
        audience,
        task,
        expires_at: toRfc3339(expiresAt),
      })),
      more: hits.more,
    },
  }
}
