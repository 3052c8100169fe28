import { isPerson, type Standing } from '#authentication/index.ts'
import { credentialCutoffKeys } from '#revocation/index.ts'
import type { SpiffeId } from '#spiffe/index.ts'
import type { Reader } from './ports.ts'
import { readTogether } from './read-together.ts'

/** What our own records say of a certificate of ours, and of whoever holds it. */
export async function readStanding(
  anyReader: Reader,
  { serial, spiffeId }: { readonly serial: string; readonly spiffeId: SpiffeId },
): Promise<Standing> {
  const reader = readTogether(anyReader)
  const certificate = await reader.find('Certificate', { serial, kind: 'svid' })
  if (certificate?.instance == null || certificate.agent === null) return NOWHERE
  const subject = spiffeId.toString()
  const [instance, agent, principal] = await Promise.all([
    reader.find('Instance', { id: certificate.instance }),
    reader.find('Agent', { id: certificate.agent }),
    isPerson(spiffeId) ? reader.find('Principal', { subject, state: 'active' }) : null,
  ])
  if (instance === null) return NOWHERE
  const trustDomain = spiffeId.trustDomain.name
  const keys = credentialCutoffKeys({ trustDomain, certificate, instance })
  // One that cuts off what was issued later than this certificate reaches this one as well.
  const cutoff = await reader.find('Cutoff', { key: { in: keys }, before: { gt: certificate.issuedAt } })
  return { certificate, instance, agent, isCutOff: cutoff !== null, principal }
}

const NOWHERE: Standing = { certificate: null, instance: null, agent: null, isCutOff: false, principal: null }
