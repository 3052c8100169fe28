import {
  approvalDecisionRequest,
  approvalList,
  approvalShown as shownSchema,
  approvalView as approvalSchema,
  listQuery,
  noBody,
  noQuery,
} from '#wire/index.ts'
import { route } from '../build-route.ts'
import type { CallerClass, Route } from '../route.ts'
import { READERS, reading, writing } from './access.ts'
import { approvalView, shownApproval } from './approval-views.ts'
import { bodyOf, pageOf } from './views.ts'

const APPROVERS: readonly CallerClass[] = ['approver']

const VERDICTS = [
  ['approve', 'Agree to one exact command of somebody else'],
  ['deny', 'Refuse one exact command of somebody else, also one that waits for its break-glass delay'],
] as const

/** What people decide on. */
export const APPROVAL_ROUTES: readonly Route[] = [
  route({
    ...reading,
    id: 'listApprovals',
    summary: 'List what was asked of approvers',
    path: '/v1/approvals',
    callers: READERS,
    schema: { body: noBody, query: listQuery, answer: approvalList },
    flow: (flows, { caller, query }) => flows.listApprovals(caller, query),
    render: pageOf(approvalView),
  }),
  route({
    ...reading,
    id: 'showApproval',
    summary: 'Show one approval, and what its command would do if it were carried out now',
    path: '/v1/approvals/{id}',
    callers: READERS,
    schema: { body: noBody, query: noQuery, answer: shownSchema },
    flow: (flows, { caller, path }) => flows.showApproval(caller, path['id'] ?? ''),
    render: bodyOf(shownApproval),
  }),
  ...VERDICTS.map(([verdict, summary]) =>
    route({
      ...writing,
      id: `${verdict}Approval`,
      summary,
      path: `/v1/approvals/{id}/${verdict}`,
      callers: APPROVERS,
      status: 200,
      takes: 'json-or-nothing',
      schema: { body: approvalDecisionRequest, query: noQuery, answer: approvalSchema },
      flow: (flows, { caller, body, path }) =>
        flows.decideApproval(caller, { id: path['id'] ?? '', verdict, reason: body?.reason }),
      render: bodyOf(approvalView),
    }),
  ),
]
