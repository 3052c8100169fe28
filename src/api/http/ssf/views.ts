import { EVENTS_SUPPORTED, POLL_METHOD, PUSH_METHOD, type StreamRequest } from '#flows/ssf/streams.ts'
import type { SsfStreamRecord } from '#revocation/index.ts'
import type {
  ChangeStreamRequest,
  CreateStreamRequest,
  PollRequestBody,
  SsfConfiguration,
  StreamConfiguration,
  StreamStatus,
} from '#wire/index.ts'
import type { PollRequest } from '#flows/ssf/poll.ts'

/**
 * SSF 1.0 section 7.1. Receivers are known by their client certificate (RFC 8705), and by no access token: nothing
 * is said of RFC 6749, which would promise one (docs/decisions/0017).
 */
export function configurationOf(publicUrl: string): SsfConfiguration {
  return {
    spec_version: '1_0',
    issuer: publicUrl,
    jwks_uri: `${publicUrl}/oauth2/jwks`,
    delivery_methods_supported: [PUSH_METHOD, POLL_METHOD],
    configuration_endpoint: `${publicUrl}/ssf/streams`,
    status_endpoint: `${publicUrl}/ssf/status`,
    verification_endpoint: `${publicUrl}/ssf/verify`,
    critical_subject_members: [],
    default_subjects: 'ALL',
    authorization_schemes: [{ spec_urn: 'urn:ietf:rfc:8705' }],
  }
}

/** Without what is sent as `Authorization`, which is never shown again. */
export function streamView(stream: SsfStreamRecord, publicUrl: string): StreamConfiguration {
  const { id, audience, events, description } = stream
  const delivery =
    stream.delivery === 'push'
      ? { method: PUSH_METHOD, endpoint_url: stream.endpoint ?? '' }
      : { method: POLL_METHOD, endpoint_url: `${publicUrl}/ssf/poll/${id}` }
  return {
    stream_id: id,
    iss: publicUrl,
    aud: audience,
    delivery,
    events_supported: [...EVENTS_SUPPORTED],
    events_requested: [...events],
    events_delivered: EVENTS_SUPPORTED.filter((type) => events.includes(type)),
    ...(description === null ? {} : { description }),
  }
}

export function statusView({ id, state, reason }: SsfStreamRecord): StreamStatus {
  return { stream_id: id, status: state, ...(reason === null ? {} : { reason }) }
}

export function streamRequest(body: CreateStreamRequest | ChangeStreamRequest): StreamRequest {
  const { aud, delivery, events_requested: events, description } = body
  return {
    audience: typeof aud === 'string' ? aud : aud?.[0],
    events,
    description,
    ...(delivery == null
      ? {}
      : {
          delivery: {
            method: delivery.method,
            endpoint: delivery.endpoint_url,
            authorization: delivery.authorization_header,
          },
        }),
  }
}

export function pollRequestOf(id: string, body: PollRequestBody): PollRequest {
  return {
    id,
    maxEvents: body.maxEvents,
    returnImmediately: body.returnImmediately,
    acknowledged: body.ack,
    refused: Object.keys(body.setErrs),
  }
}
