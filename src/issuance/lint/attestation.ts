import { equal } from '#kernel/bytes.ts'
import type { Rule } from './rule.ts'

/** Says of the attestation what is known, and nothing where nothing was attested; never the evidence itself. */
export const attestation: Rule = {
  name: 'attestation',
  reference: 'DESIGN.md section 4',
  holds: (certificate, { attestation: facts, issuedAt }) => {
    const extension = certificate.extension('writAttestation')
    if (extension === undefined || facts === null) return extension === undefined && facts === null
    return (
      extension.issuedAt === issuedAt &&
      extension.keyClass === facts.keyClass &&
      extension.keyClassSource === facts.keyClassSource &&
      extension.attestor === facts.attestor &&
      extension.instance === facts.instance &&
      equal(extension.evidenceDigest, facts.evidenceDigest)
    )
  },
}
