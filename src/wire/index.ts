export * from './admin.ts'
export * from './approval-terms.ts'
export * from './approvals.ts'
export * from './authorities.ts'
export * from './enrollment.ts'
export { WIRE_ERRORS, wireError } from './errors.ts'
export type { WireErrorCode } from './errors.ts'
export * from './feed.ts'
export * from './federation.ts'
export * from './key-attestation.ts'
export { parseForm, parseFormWith } from './form.ts'
export type { Form } from './form.ts'
export { formatJoinToken, parseJoinToken } from './join-token.ts'
export type { JoinToken } from './join-token.ts'
export * from './oauth.ts'
export { parseAnswer, parseBody, parseWith } from './parse.ts'
export * from './problem.ts'
export {
  authorizeQuery,
  formatCursor,
  ignoredQuery,
  leafQuery,
  listQuery,
  noQuery,
  parseCursor,
  parseQuery,
  statusListQuery,
} from './query.ts'
export type { ListQuery } from './query.ts'
export * from './renewal-info.ts'
export * from './ssf.ts'
export * from './tasks.ts'
export * from './tpm.ts'
export { encodeKeyStatement, encodeTpmStatement, encodeX509popStatement } from './possession-statement.ts'
export type { PossessionStatement, X509popStatement } from './possession-statement.ts'
export { jsonSchemasOf } from './schema.ts'
export type { WireSchema } from './schema.ts'
export { agentName, id, listOf, noBody, octets, providerName } from './values.ts'
export * from './revocation.ts'
