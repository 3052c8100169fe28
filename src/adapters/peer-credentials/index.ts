export { PEER_CREDENTIALS_ERRORS } from './errors.ts'
export { peerCredentials } from './peer-credentials.ts'
export type { PeerCredentials } from './peer-credentials.ts'
