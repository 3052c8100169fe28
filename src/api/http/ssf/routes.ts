import {
  changeStreamRequest,
  createStreamRequest,
  noBody,
  noQuery,
  pollAnswer,
  pollRequest,
  requiredStreamQuery,
  ssfConfiguration,
  streamConfiguration,
  streamConfigurations,
  streamQuery,
  streamStatus,
  verifyStreamRequest,
  type ChangeStreamRequest,
} from '#wire/index.ts'
import { NO_BODY, route, SMALL_BODY } from '../build-route.ts'
import type { Flows } from '../flows.ts'
import type { Call, Route } from '../route.ts'
import { configurationOf, pollRequestOf, statusView, streamRequest, streamView } from './views.ts'

const base = { surface: 'api', callers: ['agent'], errors: 'problem', status: 200, hot: false } as const
const reads = { ...base, method: 'GET', takes: 'nothing', limits: NO_BODY } as const
const takes = { ...base, takes: 'json', limits: SMALL_BODY } as const
const streams = '/ssf/streams'

async function change(flows: Flows, call: Call<ChangeStreamRequest, object>, how: 'update' | 'replace') {
  const { caller, body } = call
  const stream = await flows.changeStream(caller, { ...streamRequest(body), id: body.stream_id, how })
  return streamView(stream, flows.publicUrl)
}

/** The transmitter of security events (SSF 1.0). */
export const SSF_ROUTES: readonly Route[] = [
  route({
    ...reads,
    id: 'ssfConfiguration',
    summary: 'Transmitter metadata (SSF 1.0 section 7)',
    path: '/.well-known/ssf-configuration',
    callers: ['anyone'],
    schema: { body: noBody, query: noQuery, answer: ssfConfiguration },
    flow: (flows) => Promise.resolve(configurationOf(flows.publicUrl)),
    render: (body) => ({ body, headers: { 'cache-control': 'public, max-age=300' } }),
  }),
  route({
    ...takes,
    method: 'POST',
    id: 'createStream',
    summary: 'Begin a stream of security events',
    path: streams,
    schema: { body: createStreamRequest, query: noQuery, answer: streamConfiguration },
    status: 201,
    flow: async (flows, { caller, body }) =>
      streamView(await flows.createStream(caller, streamRequest(body)), flows.publicUrl),
    render: (body) => ({ body }),
  }),
  route({
    ...reads,
    id: 'readStreams',
    summary: 'One stream of the caller, or all of them',
    path: streams,
    schema: { body: noBody, query: streamQuery, answer: streamConfigurations },
    flow: async (flows, { caller, query }) => {
      const { stream_id: id } = query
      if (id !== undefined) return streamView(await flows.showStream(caller, id), flows.publicUrl)
      return (await flows.listStreams(caller)).map((stream) => streamView(stream, flows.publicUrl))
    },
    render: (body) => ({ body }),
  }),
  route({
    ...takes,
    method: 'PATCH',
    id: 'updateStream',
    summary: 'Change what is named of a stream',
    path: streams,
    schema: { body: changeStreamRequest, query: noQuery, answer: streamConfiguration },
    flow: (flows, call) => change(flows, call, 'update'),
    render: (body) => ({ body }),
  }),
  route({
    ...takes,
    method: 'PUT',
    id: 'replaceStream',
    summary: 'Replace the configuration of a stream',
    path: streams,
    schema: { body: changeStreamRequest, query: noQuery, answer: streamConfiguration },
    flow: (flows, call) => change(flows, call, 'replace'),
    render: (body) => ({ body }),
  }),
  route({
    ...reads,
    method: 'DELETE',
    id: 'deleteStream',
    summary: 'End a stream, with everything that waits in it',
    path: streams,
    schema: { body: noBody, query: requiredStreamQuery, answer: null },
    status: 204,
    flow: (flows, { caller, query }) => flows.deleteStream(caller, query.stream_id),
    render: () => ({ body: null }),
  }),
  route({
    ...reads,
    id: 'readStreamStatus',
    summary: 'Whether a stream is enabled',
    path: '/ssf/status',
    schema: { body: noBody, query: requiredStreamQuery, answer: streamStatus },
    flow: (flows, { caller, query }) => flows.showStream(caller, query.stream_id),
    render: (stream) => ({ body: statusView(stream) }),
  }),
  route({
    ...takes,
    method: 'POST',
    id: 'setStreamStatus',
    summary: 'Enable, pause or disable a stream',
    path: '/ssf/status',
    schema: { body: streamStatus, query: noQuery, answer: streamStatus },
    flow: (flows, { caller, body }) =>
      flows.setStreamStatus(caller, { id: body.stream_id, status: body.status, reason: body.reason ?? null }),
    render: (stream) => ({ body: statusView(stream) }),
  }),
  route({
    ...takes,
    method: 'POST',
    id: 'verifyStream',
    summary: 'Ask for a verification event',
    path: '/ssf/verify',
    schema: { body: verifyStreamRequest, query: noQuery, answer: null },
    status: 204,
    flow: (flows, { caller, body }) => flows.verifyStream(caller, { id: body.stream_id, state: body.state ?? null }),
    render: () => ({ body: null }),
  }),
  route({
    ...takes,
    method: 'POST',
    id: 'pollStream',
    summary: 'Fetch and acknowledge security events (RFC 8936)',
    path: '/ssf/poll/{stream}',
    schema: { body: pollRequest, query: noQuery, answer: pollAnswer },
    flow: (flows, { caller, body, path }) => flows.pollStream(caller, pollRequestOf(path['stream'] ?? '', body)),
    render: ({ sets, moreAvailable }) => ({
      body: { sets: Object.fromEntries(sets.map(({ id, token }) => [id, token])), moreAvailable },
    }),
  }),
]
