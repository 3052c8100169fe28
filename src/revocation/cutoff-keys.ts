import type { CertificateRecord } from '#issuance/index.ts'
import type { InstanceRecord } from '#registry/index.ts'
import { cutoffKey } from './cutoff.ts'

/** What a certificate of ours rests on. */
export interface Credential {
  readonly trustDomain: string
  readonly certificate: Pick<CertificateRecord, 'authority' | 'spkiHash'>
  readonly instance: Pick<InstanceRecord, 'id' | 'agent' | 'node' | 'lineage' | 'evidenceDigest' | 'selectors'>
}

/** Keys of every cutoff that reaches a certificate; compare them with its issue time. */
export function credentialCutoffKeys(credential: Credential): readonly string[] {
  const { trustDomain, certificate, instance } = credential
  return [
    cutoffKey('trust-domain', trustDomain),
    cutoffKey('authority', certificate.authority),
    ...(instance.node === null ? [] : [cutoffKey('node', instance.node)]),
    cutoffKey('agent', instance.agent),
    cutoffKey('instance', instance.id),
    cutoffKey('lineage', instance.lineage),
    cutoffKey('spki', certificate.spkiHash),
    cutoffKey('evidence', instance.evidenceDigest),
    ...instance.selectors.map((selector) => cutoffKey('selector', selector)),
  ]
}

/** The same for a certificate of the server's own, which is no instance's. */
export function ownCutoffKeys({ trustDomain, certificate }: Omit<Credential, 'instance'>): readonly string[] {
  return [
    cutoffKey('trust-domain', trustDomain),
    cutoffKey('authority', certificate.authority),
    cutoffKey('spki', certificate.spkiHash),
  ]
}

/** What a task token rests on besides the certificate that it is bound to. */
export interface TokenGrounds {
  /** Ids of the agents of the whole chain. */
  readonly agents: readonly string[]
  readonly task: string
  readonly subject: string
  /** The token itself and every token above it; empty for the first of a chain that is still to be issued. */
  readonly chain: readonly string[]
}

/** Keys of every cutoff that reaches a token only; compare them with the issue time of the first of its chain. */
export function tokenCutoffKeys(grounds: TokenGrounds): readonly string[] {
  return [
    ...[...new Set(grounds.agents)].map((agent) => cutoffKey('actor', agent)),
    cutoffKey('task', grounds.task),
    cutoffKey('subject', grounds.subject),
    ...grounds.chain.map((jti) => cutoffKey('token', jti)),
  ]
}
