/**
 * Writ for agents: enroll with a pin, keep the certificate fresh, open tasks, exchange, and call services over mTLS.
 *
 *     const identity = await enroll({ server, trust: trustOfJoinToken(token), evidence, clock })
 *     const live = new LiveIdentity(identity, { clock, random })
 *     const task = await live.session.openTask({ authority })
 *     const token = await live.exchange({ task: task.id, resource })
 *     const answer = await live.fetch('https://billing.example.org/invoices', token)
 */
export { callApi } from './api-call.ts'
export type { ApiCall, ApiOrigin } from './api-call.ts'
export { credentialOf, verifiedAgent } from './connect.ts'
export type { ClientCredential, ConnectionPolicy } from './connect.ts'
export { enroll } from './enroll.ts'
export type { EnrollOptions, Evidence, OidcEvidence } from './enroll.ts'
export { CLIENT_ERRORS } from './errors.ts'
export { anchorsOf, bundleOf } from './identity.ts'
export type { Identity } from './identity.ts'
export { readIdentity, writeIdentity } from './identity-folder.ts'
export type { KeyOpener } from './identity-folder.ts'
export { pemKeyOf, signerOf } from './identity-key.ts'
export type { HardwareKey, IdentityKey } from './identity-key.ts'
export { IdentityKeeper } from './identity-keeper.ts'
export type { KeeperOptions } from './identity-keeper.ts'
export { identityHome, PrivateFolder } from './kept-folder.ts'
export type { KeptFolder } from './kept-folder.ts'
export { evidenceSigner, generateKeyPem, signerFromPem } from './key.ts'
export { LiveIdentity } from './live-identity.ts'
export type { LiveOptions } from './live-identity.ts'
export {
  certificatesOf,
  pemOf,
  serverExpectation,
  trustOfBundle,
  trustOfJoinToken,
  verifyServer,
} from './server-trust.ts'
export type { PeerExpectation, ServerTrust } from './server-trust.ts'
export { callService, unixOrigin } from './service-call.ts'
export type { ServiceAnswer, ServiceCall } from './service-call.ts'
export type { TpmEvidence, TpmProver } from './tpm.ts'
export type { X509popEvidence } from './x509pop.ts'
export { openTask } from './open-task.ts'
export type { OpenTaskOptions } from './open-task.ts'
export type { FeedRequest } from './open-feed.ts'
export type { Means } from './signed-calls.ts'
export { isRenewalOver } from './renewal-over.ts'
export { Session, withSession } from './session.ts'
export type { ExchangeOptions, NarrowOptions, TaskToken } from './session.ts'
export type { AuthorizationDetailDocument as AuthorizationDetail, TaskView } from '#wire/index.ts'
export { parseJoinToken } from '#wire/index.ts'
export { presentedToken } from './presented-token.ts'
export { withProviderTls } from './provider-key.ts'
export { createDpopProof, createWpt } from './proofs.ts'
export type { DpopRequest, Prover, WptRequest } from './proofs.ts'
