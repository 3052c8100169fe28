import { z } from 'zod'
import { id, text } from './values.ts'

const eventType = text(512)
const streamId = id('stream')
const status = z.enum(['enabled', 'paused', 'disabled'])

/** `/.well-known/ssf-configuration` (SSF 1.0 section 7.1). */
export const ssfConfiguration = z.object({
  spec_version: z.literal('1_0'),
  issuer: text(1024),
  jwks_uri: text(1024),
  delivery_methods_supported: z.array(text(64)),
  configuration_endpoint: text(1024),
  status_endpoint: text(1024),
  verification_endpoint: text(1024),
  critical_subject_members: z.array(text(64)),
  default_subjects: z.literal('ALL'),
  authorization_schemes: z.array(z.object({ spec_urn: text(128) })),
})
export type SsfConfiguration = z.output<typeof ssfConfiguration>

const delivery = z.object({
  method: text(128),
  endpoint_url: text(2048).optional(),
  /** Sent as `Authorization` with every push; never shown again. */
  authorization_header: text(4096).optional(),
})

const ofReceiver = {
  /** Which of several resources; one that has one need not say. */
  aud: z.union([text(512), z.array(text(512)).length(1)]).optional(),
  /** Of ours, and may be repeated: it must be the same. */
  iss: text(1024).optional(),
  delivery: delivery.nullish(),
  events_requested: z.array(eventType).max(64).optional(),
  description: text(1024).nullish(),
}

/** `POST /ssf/streams` (SSF 1.0 section 8.1.1.1). Members that only we set are passed over. */
export const createStreamRequest = z.object(ofReceiver)
export type CreateStreamRequest = z.output<typeof createStreamRequest>

/** `PATCH` and `PUT /ssf/streams` (sections 8.1.1.3 and 8.1.1.4). */
export const changeStreamRequest = z.object({ ...ofReceiver, stream_id: streamId })
export type ChangeStreamRequest = z.output<typeof changeStreamRequest>

export const streamConfiguration = z.object({
  stream_id: streamId,
  iss: text(1024),
  aud: text(512),
  delivery: z.object({ method: text(128), endpoint_url: text(2048) }),
  events_supported: z.array(eventType),
  events_requested: z.array(eventType),
  events_delivered: z.array(eventType),
  description: text(1024).optional(),
})
export type StreamConfiguration = z.output<typeof streamConfiguration>

/** `GET /ssf/streams`: one where `stream_id` names it, else all. */
export const streamConfigurations = z.union([streamConfiguration, z.array(streamConfiguration)])

export const streamQuery = z.strictObject({ stream_id: streamId.optional() })
export const requiredStreamQuery = z.strictObject({ stream_id: streamId })

/** `GET` and `POST /ssf/status` (section 8.1.2). */
export const streamStatus = z.object({ stream_id: streamId, status, reason: text(1024).optional() })
export type StreamStatus = z.output<typeof streamStatus>

/** `POST /ssf/verify` (section 8.1.4.1). */
export const verifyStreamRequest = z.object({ stream_id: streamId, state: text(1024).optional() })

const jti = text(128)

/** RFC 8936 section 2.2. */
export const pollRequest = z.object({
  maxEvents: z.int().min(0).max(1_000_000).optional(),
  returnImmediately: z.boolean().default(false),
  ack: z.array(jti).max(1000).default([]),
  setErrs: z.record(jti, z.object({ err: text(256), description: z.string().max(4096).optional() })).default({}),
})
export type PollRequestBody = z.output<typeof pollRequest>

/** RFC 8936 section 2.3: the tokens by their `jti`. */
export const pollAnswer = z.object({
  sets: z.record(jti, z.string()),
  moreAvailable: z.boolean().optional(),
})
export type PollAnswerBody = z.output<typeof pollAnswer>
