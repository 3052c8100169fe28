import { errorsOf, type ErrorTable } from '#kernel/errors.ts'

/** What is refused to receivers of security events. */
export const SSF_ERRORS = {
  SSF_RECEIVER_UNKNOWN: 'No resource is registered that you may receive security events for.',
  SSF_STREAM_UNKNOWN: 'There is no such stream, or it is not yours.',
  SSF_STREAMS_TOO_MANY: 'You have as many streams as a receiver may have. Delete one first.',
  SSF_STREAM_CHANGED: 'The stream was changed meanwhile. Read it again and repeat.',
  SSF_STREAM_FULL: 'Too many events of the stream wait to be acknowledged.',
  SSF_STREAM_MISMATCH: 'What only the transmitter sets differs from what it has set. Leave it out.',
  SSF_AUDIENCE_AMBIGUOUS: 'You may receive for several resources. Name one of them as "aud".',
  SSF_DELIVERY_UNSUPPORTED:
    'Events are delivered by urn:ietf:rfc:8935 (push, to an endpoint_url) or urn:ietf:rfc:8936 (poll).',
  SSF_ENDPOINT_FORBIDDEN:
    'Events are pushed to https addresses only that are public, or that the configuration allows.',
  SSF_NOT_POLLED: 'The events of this stream are pushed.',
} as const satisfies ErrorTable

export const ssfError = errorsOf(SSF_ERRORS)
