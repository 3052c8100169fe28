/** What is wrong with a request about a stream of security events. */
export const SSF_CODES = [
  'SSF_STREAM_MISMATCH',
  'SSF_AUDIENCE_AMBIGUOUS',
  'SSF_DELIVERY_UNSUPPORTED',
  'SSF_ENDPOINT_FORBIDDEN',
  'SSF_NOT_POLLED',
] as const
