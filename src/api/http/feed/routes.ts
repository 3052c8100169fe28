import { noBody, noQuery } from '#wire/index.ts'
import { NO_BODY, route } from '../build-route.ts'
import { Stream, type Route } from '../route.ts'

/** What receivers listen to. */
export const FEED_ROUTES: readonly Route[] = [
  route({
    surface: 'api',
    id: 'feed',
    summary: 'What has been taken back, as it happens (text/event-stream), for receivers; Last-Event-ID continues',
    method: 'GET',
    path: '/v1/feed',
    callers: ['agent'],
    takes: 'nothing',
    limits: NO_BODY,
    errors: 'problem',
    schema: { body: noBody, query: noQuery, answer: null },
    status: 200,
    hot: false,
    flow: (flows, { caller, live }) => flows.openFeed(caller, live()),
    render: (chunks) => ({
      body: new Stream(chunks),
      // Proxies must not hold anything back.
      headers: { 'content-type': 'text/event-stream', 'x-accel-buffering': 'no' },
    }),
  }),
]
