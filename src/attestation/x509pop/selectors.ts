import { toHex, utf8 } from '#kernel/bytes.ts'
import { parseName, type Certificate, type GeneralName, type VerifiedPath } from '#x509/index.ts'

const COMMON_NAME = '2.5.4.3'
/** As long as a selector of an agent can be. */
const MAX_SELECTOR = 512

/**
 * What a verified path proves, as `x509pop:<provider>:<fact>`. Characters that a selector cannot hold, and the
 * percent sign, are percent-encoded as UTF-8. A fact too long for a selector is left out: no agent can ask for it.
 */
export function selectorsOf(provider: string, path: VerifiedPath): readonly string[] {
  const { leaf } = path
  const names = leaf.extension('subjectAltName')?.names ?? []
  const facts = [
    ...commonNames(leaf).map((name) => `subject:cn:${escape(name)}`),
    ...names.flatMap(factOf),
    `fingerprint:${toHex(leaf.fingerprint)}`,
    ...path.certificates.slice(1).map(({ fingerprint }) => `ca:fingerprint:${toHex(fingerprint)}`),
  ]
  const selectors = facts.map((fact) => `x509pop:${provider}:${fact}`)
  return [...new Set(selectors)].filter(({ length }) => length <= MAX_SELECTOR)
}

function commonNames({ subject }: Certificate): readonly string[] {
  const attributes = parseName(subject).flat()
  return attributes.flatMap(({ oid, text }) => (oid === COMMON_NAME && text !== undefined && text !== '' ? [text] : []))
}

function factOf(name: GeneralName): readonly string[] {
  if (name.type === 'uri') return [`san:uri:${escape(name.value)}`]
  return name.type === 'dns' ? [`san:dns:${escape(name.value.toLowerCase())}`] : []
}

function escape(text: string): string {
  return text.replaceAll(/[^\x21-\x24\x26-\x7e]+/g, (run) =>
    [...utf8(run)].map((octet) => `%${octet.toString(16).toUpperCase().padStart(2, '0')}`).join(''),
  )
}
