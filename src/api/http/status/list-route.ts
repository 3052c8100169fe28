import { noBody, statusListQuery } from '#wire/index.ts'
import { NO_BODY, route } from '../build-route.ts'
import { httpError } from '../errors.ts'
import type { Route } from '../route.ts'

/** Token Status List section 8. It is signed itself, and says nothing but which numbers are dead: anyone may have it. */
export const STATUS_LIST_ROUTE: Route = route({
  surface: 'api',
  id: 'statusList',
  summary: 'Which task tokens of one list are invalid, signed (Token Status List)',
  method: 'GET',
  path: '/status/{list}',
  callers: ['anyone'],
  takes: 'nothing',
  limits: NO_BODY,
  errors: 'problem',
  schema: { body: noBody, query: statusListQuery, answer: null },
  status: 200,
  hot: false,
  flow: (flows, { path, query }) => {
    if (query.time !== undefined) throw httpError('STATUS_LIST_TIME_UNSUPPORTED')
    return flows.statusList(path['list'] ?? '')
  },
  render: ({ token, maxAge }) => ({
    body: token,
    headers: {
      'content-type': 'application/statuslist+jwt',
      'cache-control': `public, max-age=${String(maxAge)}`,
      'access-control-allow-origin': '*',
    },
  }),
})
