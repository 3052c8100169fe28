import { authenticationError, type AgentIdentity } from '#authentication/index.ts'
import { issuanceError } from '#issuance/index.ts'
import type { Instant } from '#kernel/instant.ts'
import { credentialCutoffKeys, cutoffKey, liveCutoffGuard, revocationError } from '#revocation/index.ts'
import type { Guard } from './ports.ts'

/** The certificate that something is issued on the strength of, and who holds it. */
export type Holder = Pick<AgentIdentity, 'agent' | 'instance' | 'certificate'>

/** What must hold at the commit: everything that the decision was made on, once more and under the lock. */
export function credentialGuards(trustDomain: string, holder: Holder, issuedAt: Instant): readonly Guard[] {
  const { agent, instance, certificate } = holder
  const keys = credentialCutoffKeys({ trustDomain, certificate, instance })
  const revoked = () => authenticationError('CLIENT_CERTIFICATE_REVOKED')
  const paused = () => revocationError('ISSUANCE_PAUSED')
  return [
    {
      table: 'Agent',
      must: 'exist',
      where: { id: agent.id, version: agent.version, state: 'active' },
      refuse: () => issuanceError('ISSUANCE_AGENT_CHANGED'),
    },
    { table: 'Instance', must: 'exist', where: { id: instance.id, state: 'active' }, refuse: revoked },
    { table: 'Certificate', must: 'exist', where: { serial: certificate.serial, state: 'issued' }, refuse: revoked },
    liveCutoffGuard(keys, certificate.issuedAt, revoked),
    liveCutoffGuard([...keys, cutoffKey('actor', agent.id)], issuedAt, paused),
  ]
}
