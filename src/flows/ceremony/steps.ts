import { activeSigner, requireAuthority, type ActiveSigner, type AuthorityRecord } from '#authority/index.ts'
import { RULES, sign, type IssuanceProfile, type PreparedCertificate } from '#issuance/index.ts'
import { toBase64, toHex, type Bytes } from '#kernel/bytes.ts'
import { isWritError } from '#kernel/errors.ts'
import type { Instant } from '#kernel/instant.ts'
import type { Signer } from '#kernel/signer.ts'
import { toPem, type Certificate } from '#x509/index.ts'
import { ceremonyError } from './errors.ts'
import type { CeremonyPlan, ExistingRoot } from './plan.ts'
import type { CeremonyKeys, CeremonyPorts } from './ports.ts'
import type { Transcript } from './transcript.ts'

/** What every step needs. */
export interface Scene {
  readonly ports: CeremonyPorts
  readonly plan: CeremonyPlan
  readonly transcript: Transcript
  readonly profile: IssuanceProfile
  readonly now: Instant
}

/** The root with its key open, and that key for the last line of the transcript. */
export interface OpenRoot {
  readonly authority: ActiveSigner
  readonly certificate: Certificate
  readonly signer: Signer
}

/** @throws CEREMONY_ROOT_INVALID where key and certificate do not belong together, KEY_… */
export async function openKey(keys: CeremonyKeys, { key, certificate }: Pick<ExistingRoot, 'key' | 'certificate'>) {
  const reference = keys.referenceOf(key)
  try {
    const signer = await keys.open(reference, certificate.publicKey.spki)
    requireAuthority(certificate, signer)
    return { reference, signer }
  } catch (cause) {
    if (!isWritError(cause, 'KEY_MISMATCH', 'AUTHORITY_KEY_MISMATCH', 'AUTHORITY_CERTIFICATE_INVALID')) throw cause
    throw ceremonyError('CEREMONY_ROOT_INVALID', { details: { reason: cause.code }, cause })
  }
}

export function openOf(draft: AuthorityRecord, certificate: Certificate, signer: Signer): OpenRoot {
  const { der, notBefore, notAfter } = certificate
  const authority = activeSigner({ ...draft, certificate: der, notBefore, notAfter, state: 'active' }, signer)
  return { authority, certificate, signer }
}

export interface OpenedKey {
  readonly key: string
  readonly reference: string
  readonly signer: Signer
}

export async function addKey(
  { keys, transcript }: { readonly keys: CeremonyKeys; readonly transcript: Transcript },
  type: string,
  { key, reference, signer }: OpenedKey,
): Promise<void> {
  await transcript.add(type, {
    key,
    reference,
    algorithm: signer.algorithm,
    public_key: toBase64(signer.publicKey),
    home: await keys.describe(reference),
  })
}

export async function signCertificate(
  { ports, transcript }: Scene,
  made: PreparedCertificate,
  { role, file }: { readonly role: 'root' | 'issuing' | 'cross'; readonly file: string },
): Promise<Certificate> {
  const { object, commitments } = made.prepared
  const receipt = await transcript.intend({ type: 'certificate.intent', object, commitments })
  const { certificate } = await sign(made.prepared, receipt)
  await transcript.add('certificate.signed', {
    object,
    role,
    file,
    certificate: toBase64(certificate.der),
    digest: `sha-256:${toHex(certificate.fingerprint)}`,
    lint: RULES.map((rule) => rule.name),
  })
  await ports.files.write(file, toPem('CERTIFICATE', certificate.der))
  return certificate
}

export function digestOf(fingerprint: Bytes): string {
  return `sha-256:${toHex(fingerprint)}`
}
