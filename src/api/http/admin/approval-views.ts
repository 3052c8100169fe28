import type { RevocationHits as Hits } from '#flows/revoke/hits.ts'
import type { StepOutcome } from '#flows/admin/authorities.ts'
import type { ShownApproval } from '#flows/approvals/show-approvals.ts'
import type { Gated } from '#flows/approvals/step-authority.ts'
import { toRfc3339, type Instant } from '#kernel/instant.ts'
import type { CurrentApproval } from '#policy/index.ts'
import type { ApprovalAsked, ApprovalShown, ApprovalView, AuthorityStepAnswer, RevocationHits } from '#wire/index.ts'

type Asked = Extract<Gated<unknown>, { readonly kind: 'asked' }>

/** Nothing was done yet. */
export function askedAnswer({ approval, rule }: Asked): { readonly status: 202; readonly body: ApprovalAsked } {
  const { id, decisions } = approval
  return {
    status: 202,
    body: {
      approval: id,
      needed: rule.needed,
      given: decisions.filter(({ verdict }) => verdict === 'approve').length,
      ...commonView(approval),
    },
  }
}

function commonView(approval: CurrentApproval) {
  return {
    state: approval.state,
    expires_at: toRfc3339(approval.expiresAt),
    effective_at: moment(approval.effectiveAt),
    command: { kind: approval.kind, request: approval.request as ApprovalAsked['command']['request'] },
  }
}

function moment(value: Instant | null): string | null {
  return value === null ? null : toRfc3339(value)
}

export function approvalView(approval: CurrentApproval): ApprovalView {
  return {
    id: approval.id,
    ...commonView(approval),
    rule: approval.rule,
    requested_by: approval.requestedBy,
    decisions: approval.decisions.map(({ by, verdict, at, reason }) => ({
      by,
      verdict,
      at: toRfc3339(at),
      reason: reason ?? null,
    })),
    created_at: toRfc3339(approval.createdAt),
    used_at: moment(approval.usedAt),
  }
}

export function shownApproval({ approval, effect }: ShownApproval): ApprovalShown {
  const { hits, changes, refused } = effect
  return {
    ...approvalView(approval),
    effect: {
      hits: hits === null ? null : hitsView(hits),
      changes: changes === null ? null : changesView(changes),
      refused,
    },
  }
}

export function changesView(outcome: StepOutcome): AuthorityStepAnswer['changes'] {
  return outcome.map(({ id, set }) => ({ authority: id, state: set.state }))
}

export function hitsView(hits: Hits): RevocationHits {
  const agents = new Map(hits.agents.map((agent) => [agent.id, agent]))
  return {
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
  }
}
