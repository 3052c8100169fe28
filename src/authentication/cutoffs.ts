import type { CertificateRecord } from '#issuance/index.ts'
import type { InstanceRecord } from '#registry/index.ts'
import type { CutoffRecord } from '#revocation/index.ts'

/** Keys of every cutoff that reaches this certificate, whatever it was that was cut off. */
export function cutoffKeysOf(
  trustDomain: string,
  certificate: CertificateRecord,
  instance: InstanceRecord,
): readonly string[] {
  return [
    `trust-domain:${trustDomain}`,
    `authority:${certificate.authority}`,
    ...(instance.node === null ? [] : [`node:${instance.node}`]),
    `agent:${instance.agent}`,
    `instance:${instance.id}`,
    `lineage:${instance.lineage}`,
    `spki:${certificate.spkiHash}`,
    `evidence:${instance.evidenceDigest}`,
    ...instance.selectors.map((selector) => `selector:${selector}`),
  ]
}

/** Issue times are compared, never notBefore. */
export function isCutOff(certificate: CertificateRecord, cutoffs: readonly CutoffRecord[]): boolean {
  return cutoffs.some((cutoff) => certificate.issuedAt < cutoff.before)
}
