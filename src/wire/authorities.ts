import { z } from 'zod'
import { authorityView } from './admin.ts'
import { approvalAsked, approvalTerms } from './approval-terms.ts'
import { id, instantText, text } from './values.ts'

const pem = z.string().min(1).max(16_384)

const kinds = ['x509', 'x509-root', 'jwt-svid', 'wit-svid', 'access-token', 'status', 'events', 'checkpoint'] as const

/**
 * `POST /v1/authorities`: one more authority, seen by nobody yet. Under a root that only a ceremony opens, an issuing one
 * gets a key and a request, which the ceremony signs.
 */
export const requestAuthorityRequest = z.strictObject({ kind: z.enum(kinds) })
export const authorityRequested = z.object({ authority: authorityView, request: pem.nullable() })
export type AuthorityRequested = z.output<typeof authorityRequested>

/** `POST /v1/authorities/import`: one certificate from a ceremony, PEM. */
export const importAuthorityRequest = z.strictObject({ certificate: pem })

/** `POST /v1/crls/import`: one CRL of a root, from a ceremony, PEM. */
export const importCrlRequest = z.strictObject({ crl: z.string().min(1).max(61_440) })
export const importedCrl = z.object({
  /** The root that has signed it. */
  authority: id('authority'),
  number: z.int(),
  this_update: instantText,
  next_update: instantText,
  /** `present` where it was stored before. */
  state: z.enum(['stored', 'present']),
})
export type ImportedCrlView = z.output<typeof importedCrl>

/** `POST /v1/authorities/{id}/{step}`. `version`, so that nobody moves on what they have not seen. */
export const authorityStepRequest = z.strictObject({
  version: z.int().min(1).optional(),
  /** Past the gate; needs a `reason`. */
  urgent: z.boolean().optional(),
  /** Written into the audit log. */
  reason: text(500).optional(),
  dry_run: z.boolean().optional(),
  ...approvalTerms,
})

export type AuthorityStepRequest = z.output<typeof authorityStepRequest>

/** `POST /v1/authorities/{id}/taint`. */
export const authorityTaintRequest = authorityStepRequest.extend({
  /** Seconds in which those who hold its certificates may renew, before they are cut off; 600 unless given. */
  within: z.int().min(0).max(86_400).optional(),
  /** Somebody else has the key: no renewals under it, everything that it signed is cut off at once. */
  compromised: z.boolean().optional(),
})

const state = z.enum(['prepared', 'published', 'active', 'retiring', 'retired', 'tainted'])

/** What holds a step, or lets it pass. */
export const gateView = z.object({
  step: z.enum(['activate', 'retire']),
  open: z.boolean(),
  because: z.enum([
    'nothing-to-wait-for',
    'adopted',
    'time',
    'not-propagated',
    'certificates-in-force',
    'tokens-in-force',
    'authorities-in-force',
  ]),
  opens_at: instantText.nullable(),
  /** How many living instances there are, and how many of them hold a bundle with the authority in it. */
  adoption: z
    .object({
      living: z.int(),
      holding: z.int(),
      ratio: z.number().min(0).max(1),
      /** False where somebody must know the authority who does not report what they hold. */
      measured: z.boolean(),
    })
    .nullable(),
})
export type GateView = z.output<typeof gateView>

export const authorityChanges = z.array(z.object({ authority: id('authority'), state }))

export const authorityStepAnswer = z.object({
  dry_run: z.boolean(),
  /** None where the step was taken before. */
  changes: authorityChanges,
  /** Of a dry run: what holds the step. */
  gate: gateView.nullable(),
  /** Of a dry run: whose certificates in force are of the authorities that change. */
  affected: z.object({ identities: z.int(), more: z.boolean(), first: z.array(text(2048)) }).nullable(),
  /** Of the dry run of a taint: who does not hold the successor, and cannot reach the server until they have the bundle. */
  unaware: z.object({ instances: z.int(), more: z.boolean(), first: z.array(text(2048)) }).nullable(),
})
export type AuthorityStepAnswer = z.output<typeof authorityStepAnswer>

/** What was done; or, with status 202, what has to be agreed to first. */
export const authorityStepAnswered = z.union([authorityStepAnswer, approvalAsked])

/** The CRL of everything that an X.509 authority or a root has signed. */
export const crlStatusView = z.object({
  /** Who makes it; what a ceremony makes has to be imported. */
  made_by: z.enum(['server', 'ceremony']),
  number: z.int(),
  this_update: instantText,
  next_update: instantText,
  /** Seconds since it was issued. */
  age: z.int(),
  /** When the next one is signed or, of those that ceremonies made in advance, takes its place; null when none does. */
  next: instantText.nullable(),
  /** Until when there is one, with those that are stored for later; null when it has run out. */
  covered_until: instantText.nullable(),
  /** How many are stored for later. */
  ahead: z.int(),
  /** The next one is late or, of ceremonies, has to be thought of. */
  overdue: z.boolean(),
})
export type CrlStatusView = z.output<typeof crlStatusView>

/** `GET /v1/rotation`: how far each authority is that is not over. */
export const rotationAnswer = z.object({
  items: z.array(
    z.object({
      authority: id('authority'),
      kind: text(32),
      state,
      version: z.int(),
      gate: gateView.nullable(),
      next: z
        .object({
          step: z.enum(['import', 'publish', 'activate', 'prepare', 'retire', 'revoke']),
          /** When it is taken without anybody asking; null when people take it, or its gate says when. */
          at: instantText.nullable(),
        })
        .nullable(),
      /** Waits for an emergency: a later one follows the active one. */
      standby: z.boolean(),
      /** Null for what has none, and while there is none. */
      crl: crlStatusView.nullable(),
    }),
  ),
})
export type RotationAnswer = z.output<typeof rotationAnswer>
