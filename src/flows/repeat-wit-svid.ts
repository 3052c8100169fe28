import type { AgentIdentity } from '#authentication/index.ts'
import { issuanceError } from '#issuance/index.ts'
import type { Grant } from '#policy/index.ts'
import type { PublicKey } from '#x509/index.ts'
import type { IssuePorts } from './issuance-ports.ts'
import { issueWitSvid } from './issue-wit-svid.ts'
import type { IssuedSvid } from './issue-x509-svid.ts'

export interface WitSvidRepetition extends Pick<AgentIdentity, 'agent' | 'instance'> {
  readonly grant: Grant
  readonly publicKey: PublicKey
  /** What was issued for the same request before; the WIT-SVID beside it was not kept. */
  readonly svid: IssuedSvid
}

/** The certificate of a lost answer, with a new WIT-SVID. @throws as `issueWitSvid` */
export async function repeatWitSvid(ports: IssuePorts, repetition: WitSvidRepetition): Promise<IssuedSvid> {
  const { agent, instance, grant, publicKey, svid } = repetition
  const { serial, spiffeId, notAfter } = svid
  const certificate = await ports.reader.find('Certificate', { serial })
  if (certificate === null) throw issuanceError('ISSUANCE_INTERRUPTED', { details: { serial } })
  const order = { grant, publicKey, spiffeId, certificate: serial, notAfter }
  return { ...svid, witSvid: await issueWitSvid(ports, order, { agent, instance, certificate }) }
}
