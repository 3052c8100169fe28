import type { Caller } from '#authentication/index.ts'
import type { AuthorityRecord, AuthorityTransition } from '#authority/index.ts'
import { toHex, type Bytes } from '#kernel/bytes.ts'
import { sha256 } from '#kernel/digest.ts'
import { NOTHING_BESIDES, type Besides } from '../approvals/besides.ts'
import { importAuthority } from '../import-authority.ts'
import type { AuthorityPorts } from '../issuance-ports.ts'
import { recordingDenials } from '../recorded-story.ts'
import { authorityRequest, requestAuthority } from '../request-authority.ts'
import { previewTransition, transitionAuthority, type AuthorityStep } from '../transition-authority.ts'

export interface RequestedAuthority {
  readonly authority: AuthorityRecord
  /** DER, PKCS #10. */
  readonly request: Bytes
}

/** One more issuing authority for a ceremony to sign. @throws ROLE_REQUIRED, and as `requestAuthority` */
export function askForAuthority(ports: AuthorityPorts, caller: Caller): Promise<RequestedAuthority> {
  const attempt = { type: 'authority.requested', actor: caller.name, object: 'authority:new' }
  return recordingDenials(ports, attempt, async (watched) => {
    caller.requireRole('ca-admin')
    const authority = await requestAuthority(watched, caller.name)
    return { authority, request: await authorityRequest(watched, authority.id) }
  })
}

/** What a ceremony signed. @throws ROLE_REQUIRED, and as `importAuthority` */
export function bringAuthority(ports: AuthorityPorts, caller: Caller, certificate: Bytes): Promise<AuthorityRecord> {
  const commitments = { certificate: `sha-256:${toHex(sha256(certificate))}` }
  const attempt = { type: 'authority.imported', actor: caller.name, object: 'authority:unknown', commitments }
  return recordingDenials(ports, attempt, (watched) => {
    caller.requireRole('ca-admin')
    return importAuthority(watched, { actor: caller.name, certificate })
  })
}

export interface StepRequest {
  readonly id: string
  readonly step: AuthorityStep
  readonly version: number | undefined
  /** Skips the waits; for emergencies. */
  readonly urgent: boolean
  readonly dryRun: boolean
}

/** The authorities that change, and what they become. */
export type StepOutcome = readonly Pick<AuthorityTransition, 'id' | 'set'>[]

/**
 * Moves an authority on, or shows what that would change. `also` goes into the same commit.
 * @throws ROLE_REQUIRED, and as `transitionAuthority`
 */
export function stepAuthority(
  ports: AuthorityPorts,
  caller: Caller,
  request: StepRequest,
  also: Besides = NOTHING_BESIDES,
): Promise<StepOutcome> {
  const { id, step, version, urgent, dryRun } = request
  const attempt = { type: `authority.${step}`, actor: caller.name, object: `authority:${id}` }
  return recordingDenials(ports, attempt, async (watched) => {
    caller.requireRole('ca-admin')
    const order = {
      actor: caller.name,
      id,
      step,
      urgent,
      also,
      ...(version === undefined ? {} : { expectedVersion: version }),
    }
    const outcome = await previewTransition(watched, order)
    if (!dryRun) await transitionAuthority(watched, order)
    return outcome
  })
}
