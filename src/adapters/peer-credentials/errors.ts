import { errorsOf, type ErrorTable } from '#kernel/errors.ts'

export const PEER_CREDENTIALS_ERRORS = {
  PEER_CREDENTIALS_UNSUPPORTED: 'The kernel cannot tell who is at the other end of a socket; run the server on Linux.',
  PEER_CREDENTIALS_UNAVAILABLE: 'The kernel did not say who is at the other end of the socket.',
} as const satisfies ErrorTable

export const peerCredentialsError = errorsOf(PEER_CREDENTIALS_ERRORS)
