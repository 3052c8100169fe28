import { toHex } from '#kernel/bytes.ts'
import { parseName, type Certificate, type GeneralName, type VerifiedPath } from '#x509/index.ts'
import { escapeFact, selectorsFrom } from '../selector-text.ts'

const COMMON_NAME = '2.5.4.3'

/**
 * What a verified path proves, as `x509pop:<provider>:<fact>`. Characters that a selector cannot hold, and the
 * percent sign, are percent-encoded as UTF-8. A fact too long for a selector is left out: no agent can ask for it.
 */
export function selectorsOf(provider: string, path: VerifiedPath): readonly string[] {
  const { leaf } = path
  const names = leaf.extension('subjectAltName')?.names ?? []
  const facts = [
    ...commonNames(leaf).map((name) => `subject:cn:${escapeFact(name)}`),
    ...names.flatMap(factOf),
    `fingerprint:${toHex(leaf.fingerprint)}`,
    ...path.certificates.slice(1).map(({ fingerprint }) => `ca:fingerprint:${toHex(fingerprint)}`),
  ]
  return selectorsFrom('x509pop', provider, facts)
}

function commonNames({ subject }: Certificate): readonly string[] {
  const attributes = parseName(subject).flat()
  return attributes.flatMap(({ oid, text }) => (oid === COMMON_NAME && text !== undefined && text !== '' ? [text] : []))
}

function factOf(name: GeneralName): readonly string[] {
  if (name.type === 'uri') return [`san:uri:${escapeFact(name.value)}`]
  return name.type === 'dns' ? [`san:dns:${escapeFact(name.value.toLowerCase())}`] : []
}
