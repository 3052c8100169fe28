import { toHex } from '#kernel/bytes.ts'
import { sha256 } from '#kernel/digest.ts'
import { isWritError } from '#kernel/errors.ts'
import type { Instant } from '#kernel/instant.ts'
import { spkiOf, type TpmPublic } from '#tpm/index.ts'
import { attestationError } from '../errors.ts'
import { bytesOf } from '../members.ts'
import { verifyEkCertificate, type TpmMake } from './ek-certificate.ts'
import type { TpmEvidenceTexts } from './evidence.ts'
import type { TpmProvider } from './provider.ts'

/** Why an endorsement key is taken for one of a real TPM, and what is known of that. */
export interface Endorsement {
  /** SHA-256 of its DER SubjectPublicKeyInfo, hex. */
  readonly hash: string
  /** Only from a certificate that leads to a root of the provider. */
  readonly make: TpmMake | null
}

/**
 * By its certificate, or because the operator has listed the key itself. For a listed key the certificate is a bonus:
 * one that does not hold says nothing and harms nothing.
 * @throws TPM_EK_UNKNOWN, and what `verifyEkCertificate` throws
 */
export function endorsementOf(
  provider: TpmProvider,
  ek: TpmPublic,
  evidence: TpmEvidenceTexts,
  now: Instant,
): Endorsement {
  const ekSpki = spkiOf(ek)
  const hash = toHex(sha256(ekSpki))
  const isListed = provider.ekHashes.has(hash)
  const { ekCertificate, ekChain } = evidence
  if (ekCertificate === '' || (isListed && provider.roots.length === 0)) {
    if (!isListed) throw attestationError('TPM_EK_UNKNOWN')
    return { hash, make: null }
  }
  const check = (): TpmMake =>
    verifyEkCertificate(
      { certificate: bytesOf(ekCertificate), chain: ekChain.map(bytesOf), roots: provider.roots, ekSpki },
      now,
    )
  return { hash, make: isListed ? unlessRefused(check) : check() }
}

function unlessRefused<Value>(attempt: () => Value): Value | null {
  try {
    return attempt()
  } catch (error) {
    if (isWritError(error)) return null
    throw error
  }
}
