import type { Instant } from '#kernel/instant.ts'
import { standingKeysOf, standingOf, type CertificateStanding, type StandingFacts } from '#revocation/index.ts'
import type { Reader } from '../ports.ts'

export interface StandingQuestion {
  readonly trustDomain: string
  /** Id of the authority that is asked about. */
  readonly authority: string
  /** Hex. */
  readonly serial: string
  readonly now: Instant
}

const MOST_CUTOFFS = 1000

/** What our records say of a certificate at this moment. @throws STORE_… */
export async function readCertificateStanding(
  reader: Reader,
  { now, ...question }: StandingQuestion,
): Promise<CertificateStanding> {
  const certificate = await reader.find('Certificate', { serial: question.serial })
  const id = certificate?.instance ?? null
  const instance = id === null ? null : await reader.find('Instance', { id })
  const rows = { ...question, certificate, instance }
  return standingOf({ ...rows, cutoffs: await readCutoffs(reader, rows), readAt: now })
}

/** Nearly always there is none, which the store remembers. */
async function readCutoffs(
  reader: Reader,
  rows: Omit<StandingFacts, 'cutoffs' | 'readAt'>,
): Promise<StandingFacts['cutoffs']> {
  const keys = standingKeysOf(rows)
  if (rows.certificate === null || keys.length === 0) return []
  const where = { key: { in: keys }, before: { gt: rows.certificate.issuedAt } }
  return reader.list('Cutoff', { where, limit: MOST_CUTOFFS })
}
