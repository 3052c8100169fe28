export { Access, type Operation } from './access.ts'
export type { HttpRequest } from './authorization-header.ts'
export type { ReceiverClock } from './clock.ts'
export { presentedChain, type PresentedCertificate } from '#x509/index.ts'
export { RECEIVER_ERRORS, receiverError, type ReceiverErrorCode } from './errors.ts'
export { closeRevoked, type ClosingServer } from './close-revoked.ts'
export type { CertificateFacts } from './certificate-facts.ts'
export {
  LiveView,
  type FeedRequest,
  type LiveViewOptions,
  type OpenFeed,
  type TrustFollower,
} from './feed/live-view.ts'
export { introspectAt, type Introspect, type PostForm } from './introspection.ts'
export { accessOf, refuse, requireTask, type HttpResponse, type Middleware, type Requirement } from './middleware.ts'
export { Peer } from './peer.ts'
export { createReceiver, Receiver, type Demand, type ReceiverOptions } from './receiver.ts'
export { DEFAULT_MAX_STALENESS, RefreshingTrust, type RefreshingTrustOptions } from './refreshing-trust.ts'
export { refusalOf, type Challenge, type Refusal } from './refusal.ts'
export type { RevocationOptions } from './revocation.ts'
export { StatusLists, type StatusListsOptions } from './status-lists.ts'
export { receiverTlsOptions } from './tls-options.ts'
export { staticTrust, type Trust, type TrustDocuments, type TrustSource } from './trust.ts'
export { UsedProofsInMemory, type UsedProofs } from './used-proofs.ts'
export { TrustDomain } from '#spiffe/index.ts'
