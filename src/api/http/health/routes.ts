import type { WritError } from '#kernel/errors.ts'
import { noBody, noQuery } from '#wire/index.ts'
import { NO_BODY, route } from '../build-route.ts'
import type { Route } from '../route.ts'

const base = {
  surface: 'health',
  method: 'GET',
  callers: ['anyone'],
  takes: 'nothing',
  limits: NO_BODY,
  errors: 'problem',
  schema: { body: noBody, query: noQuery, answer: null },
  status: 200,
  hot: true,
} as const

const TEXT = { 'content-type': 'text/plain; charset=utf-8' }

function render(failure: WritError | null): {
  readonly status: number
  readonly body: string
  readonly headers: typeof TEXT
} {
  return failure === null
    ? { status: 200, body: 'ok\n', headers: TEXT }
    : { status: 503, body: `${failure.code}\n`, headers: TEXT }
}

export const HEALTH_ROUTES: readonly Route[] = [
  route({
    ...base,
    id: 'live',
    summary: 'The process answers',
    path: '/livez',
    flow: () => Promise.resolve(null),
    render,
  }),
  route({
    ...base,
    id: 'ready',
    summary: 'The server can say how things are',
    path: '/readyz',
    flow: (flows) => flows.health.ready(),
    render,
  }),
  route({
    ...base,
    id: 'readyToIssue',
    summary: 'The server can sign',
    path: '/readyz/issuance',
    flow: (flows) => flows.health.readyToIssue(),
    render,
  }),
  route({
    ...base,
    id: 'metrics',
    summary: 'Metrics for Prometheus',
    path: '/metrics',
    flow: (flows) => flows.health.metrics(),
    render: (body) => ({ body, headers: { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' } }),
  }),
]
