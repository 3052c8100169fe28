import { TRUSTED_STATES, type AuthorityState } from '#authority/index.ts'
import { issuanceError, type CertificateRecord, type IssuanceProfile } from '#issuance/index.ts'
import type { InstanceRecord, Registration } from '#registry/index.ts'
import { credentialCutoffKeys, liveCutoffGuard, ownCutoffKeys } from '#revocation/index.ts'
import type { Change, Guard } from './ports.ts'

export interface IssuanceFacts {
  readonly profile: IssuanceProfile
  readonly registration: Registration
  readonly instance: InstanceRecord
  readonly certificate: CertificateRecord
  readonly changes: readonly Change[]
}

/** What must still hold when an SVID's intent is committed, whatever was read before. */
export function svidGuards(facts: IssuanceFacts): readonly Guard[] {
  const { profile, registration, instance, certificate } = facts
  const { agent } = registration
  const trustDomain = profile.trustDomain.name
  const keys = credentialCutoffKeys({ trustDomain, certificate, instance })
  const cutOff = () => issuanceError('ISSUANCE_CUT_OFF', { details: { instance: instance.id } })
  return [
    {
      table: 'Agent',
      must: 'exist',
      where: { id: agent.id, state: 'active', version: agent.version },
      refuse: () => issuanceError('ISSUANCE_AGENT_CHANGED', { details: { agent: agent.id } }),
    },
    ...instanceGuards(facts),
    liveCutoffGuard(keys, certificate.issuedAt, cutOff),
    authorityGuard(certificate.authority),
  ]
}

/** What must still hold for a certificate of the server itself; a canary is signed by one that is not active yet. */
export function ownGuards(
  profile: IssuanceProfile,
  certificate: CertificateRecord,
  states: readonly AuthorityState[] = TRUSTED_STATES,
): readonly Guard[] {
  const keys = ownCutoffKeys({ trustDomain: profile.trustDomain.name, certificate })
  const cutOff = () => issuanceError('ISSUANCE_CUT_OFF', { details: { serial: certificate.serial } })
  return [liveCutoffGuard(keys, certificate.issuedAt, cutOff), authorityGuard(certificate.authority, states)]
}

/** An instance that this very commit creates cannot exist before. */
function instanceGuards({ instance, changes }: IssuanceFacts): readonly Guard[] {
  const isNew = changes.some(
    (change) => change.op === 'insert' && change.table === 'Instance' && change.row.id === instance.id,
  )
  if (isNew) return []
  const refuse = () => issuanceError('ISSUANCE_INSTANCE_ENDED', { details: { instance: instance.id } })
  return [{ table: 'Instance', must: 'exist', where: { id: instance.id, state: 'active' }, refuse }]
}

/**
 * Another replica may have rotated since the set was read: what the authority signs is trusted as long as it is, and who
 * is tainted is not.
 */
export function authorityGuard(id: string, states: readonly AuthorityState[] = TRUSTED_STATES): Guard {
  const refuse = () => issuanceError('ISSUANCE_AUTHORITY_CHANGED', { details: { authority: id } })
  return { table: 'Authority', must: 'exist', where: { id, state: { in: states } }, refuse }
}
