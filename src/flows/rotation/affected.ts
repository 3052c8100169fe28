import type { AuthorityRecord } from '#authority/index.ts'
import type { Instant } from '#kernel/instant.ts'
import type { Reader } from '../ports.ts'
import type { AuthorityStep } from './order.ts'

/** Who feels a step: the identities whose certificates in force are of an authority that others stop trusting or using. */
export interface Affected {
  /** How many, at most a thousand. */
  readonly identities: number
  readonly more: boolean
  /** The first of them, SPIFFE IDs. */
  readonly first: readonly string[]
}

const MOST = 1000
const SHOWN = 20

export interface AffectedQuestion {
  readonly step: AuthorityStep
  readonly subject: AuthorityRecord
  readonly records: readonly AuthorityRecord[]
  readonly now: Instant
}

/** @throws what the reader throws */
export async function findAffected(reader: Reader, question: AffectedQuestion): Promise<Affected> {
  const authorities = authoritiesConcerned(question)
  if (authorities.length === 0) return { identities: 0, more: false, first: [] }
  const certificates = await reader.list('Certificate', {
    where: { authority: { in: authorities }, kind: 'svid', state: 'issued', notAfter: { gt: question.now } },
    limit: MOST,
  })
  const names = [...new Set(certificates.flatMap(({ spiffeId }) => (spiffeId === null ? [] : [spiffeId])))].toSorted()
  return { identities: names.length, more: certificates.length === MOST, first: names.slice(0, SHOWN) }
}

/** An activation concerns those of the present one, who renew under the next; anything else those of the subject. */
function authoritiesConcerned({ step, subject, records }: AffectedQuestion): readonly string[] {
  if (step === 'publish') return []
  const concerned = step === 'activate' ? records.find((one) => isPresent(one, subject)) : subject
  if (concerned === undefined) return []
  const under = records.filter(({ kind, issuer }) => kind === 'x509' && issuer === concerned.id)
  return [concerned.id, ...under.map(({ id }) => id)]
}

function isPresent({ kind, state }: AuthorityRecord, subject: AuthorityRecord): boolean {
  return kind === subject.kind && state === 'active'
}
