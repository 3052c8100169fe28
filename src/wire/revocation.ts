import { z } from 'zod'
import { approvalAsked, approvalTerms } from './approval-terms.ts'
import { agentName, id, instanceId, instantText, serial, spiffeIdText, text } from './values.ts'

const handles = [
  'certificate',
  'instance',
  'agent',
  'lineage',
  'key',
  'authority',
  'node',
  'task',
  'token',
  'subject',
  'evidence',
  'selector',
  'trust-domain',
] as const

const reasons = [
  'unspecified',
  'key_compromise',
  'ca_compromise',
  'affiliation_changed',
  'superseded',
  'cessation_of_operation',
  'privilege_withdrawn',
] as const

/** `POST /v1/revocations`: one thing, by any handle. With `dry_run` nothing changes. */
export const revocationRequest = z.strictObject({
  handle: z.enum(handles, { error: 'REVOCATION_HANDLE_UNKNOWN' }),
  /** Serial or digest in hex, id, agent's name, `user:<issuer>:<sub>` or SPIFFE ID, selector. */
  value: text(2048),
  reason: z.enum(reasons, { error: 'REVOCATION_REASON_UNKNOWN' }),
  dry_run: z.boolean().optional(),
  ...approvalTerms,
})
export type RevocationRequest = z.output<typeof revocationRequest>

const owned = { owner: text(256) }

/** What it hits, at most a thousand of each; `more` when there is more than is listed. */
export const revocationHits = z.object({
  instances: z.array(z.object({ id: instanceId, spiffe_id: spiffeIdText, agent: agentName, ...owned })),
  certificates: z.array(z.object({ serial, spiffe_id: spiffeIdText.nullable(), not_after: instantText })),
  tasks: z.array(z.object({ id: id('task'), subject: text(2048), ...owned })),
  tokens: z.array(z.object({ jti: text(128), audience: text(512), task: id('task'), expires_at: instantText })),
  more: z.boolean(),
})
export type RevocationHits = z.output<typeof revocationHits>

export const revocationAnswer = z.object({
  handle: z.enum(handles),
  value: text(2048),
  reason: z.enum(reasons),
  dry_run: z.boolean(),
  /** False for a dry run, and for what was revoked before. */
  changed: z.boolean(),
  hits: revocationHits,
})
export type RevocationAnswer = z.output<typeof revocationAnswer>

/** What was done; or, with status 202, what has to be agreed to first. */
export const revocationAnswered = z.union([revocationAnswer, approvalAsked])
