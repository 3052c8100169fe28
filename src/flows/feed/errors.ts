import { errorsOf, type ErrorTable } from '#kernel/errors.ts'

export const FEED_ERRORS = {
  FEED_POSITION_INVALID: 'Last-Event-ID is not the id of an event that this feed has sent. Connect without it.',
  FEED_NOT_REGISTERED:
    'The feed is for receivers. Register a resource with the SPIFFE ID of the caller: "writ resource add --spiffe-id".',
  FEED_AUDIENCES_CHANGED: 'The resources that the caller may act for have changed. Connect again.',
  FEED_TOO_SLOW: 'The reader of the feed was too far behind. Connect again with Last-Event-ID.',
} as const satisfies ErrorTable

export const feedError = errorsOf(FEED_ERRORS)
