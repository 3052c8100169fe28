import { authorityList, certificateList, instanceList, leafList, leafQuery, listQuery, noBody } from '#wire/index.ts'
import { route } from '../build-route.ts'
import type { Route } from '../route.ts'
import { READERS, reading } from './access.ts'
import { authorityView, certificateView, instanceView, leafView, pageOf } from './views.ts'

/** What there is: instances, certificates, authorities, and the log of how it came about. */
export const INVENTORY_ROUTES: readonly Route[] = [
  route({
    ...reading,
    id: 'listInstances',
    summary: 'List instances',
    path: '/v1/instances',
    callers: READERS,
    schema: { body: noBody, query: listQuery, answer: instanceList },
    flow: (flows, { caller, query }) => flows.listInstances(caller, query),
    render: pageOf(instanceView),
  }),
  route({
    ...reading,
    id: 'listCertificates',
    summary: 'List every certificate that was ever meant to be signed',
    path: '/v1/certificates',
    callers: READERS,
    schema: { body: noBody, query: listQuery, answer: certificateList },
    flow: (flows, { caller, query }) => flows.listCertificates(caller, query),
    render: pageOf(certificateView),
  }),
  route({
    ...reading,
    id: 'listAuthorities',
    summary: 'List authorities',
    path: '/v1/authorities',
    callers: READERS,
    schema: { body: noBody, query: listQuery, answer: authorityList },
    flow: (flows, { caller, query }) => flows.listAuthorities(caller, query),
    render: pageOf(authorityView),
  }),
  route({
    ...reading,
    id: 'listLeaves',
    summary: 'Read the audit log in order; that it was read is written into it',
    path: '/v1/audit/leaves',
    callers: ['auditor'],
    schema: { body: noBody, query: leafQuery, answer: leafList },
    flow: (flows, { caller, query }) => flows.listLeaves(caller, query),
    render: pageOf(leafView),
  }),
]
