import { PROFILES } from '#issuance/index.ts'
import { equal } from '#kernel/bytes.ts'
import type { Certificate } from '#x509/index.ts'
import { isSignedBy } from '../imported-certificate.ts'

export interface CrossPair {
  /** The root whose name and key are certified. */
  readonly subject: Certificate
  /** The root that certifies them. */
  readonly issuer: Certificate
}

const EXTENSIONS: ReadonlySet<string> = new Set(PROFILES.cross.extensions)

/** What is wrong with a certificate of one root by another; nothing when it is what `PROFILES.cross` says. */
export function crossFindings(cross: Certificate, { subject, issuer }: CrossPair): readonly string[] {
  const { pathLength } = PROFILES.cross
  const wrongs: readonly (readonly [boolean, string])[] = [
    [!equal(cross.subject, subject.subject) || !equal(cross.publicKey.spki, subject.publicKey.spki), 'subject'],
    [equal(subject.publicKey.spki, issuer.publicKey.spki) || !isSignedBy(cross, issuer), 'issuer'],
    [cross.extension('basicConstraints')?.pathLength !== pathLength, 'path length'],
    [cross.extension('keyUsage')?.usages.join() !== PROFILES.cross.keyUsages.join(), 'key usage'],
    [cross.notAfter > subject.notAfter || cross.notAfter > issuer.notAfter, 'lifetime'],
    [cross.extensions.some(({ kind }) => kind === 'other' || !EXTENSIONS.has(kind)), 'extension'],
    [namesOf(cross) !== namesOf(subject), 'trust domain'],
  ]
  return wrongs.flatMap(([isWrong, what]) => (isWrong ? [what] : []))
}

function namesOf(certificate: Certificate): string {
  const names = certificate.extension('subjectAltName')?.names ?? []
  return names.map((name) => (name.type === 'uri' ? name.value : name.type)).join(' ')
}
