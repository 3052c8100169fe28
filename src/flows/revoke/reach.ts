import type { CertificateRecord } from '#issuance/index.ts'
import type { Instant } from '#kernel/instant.ts'
import type { InstanceRecord } from '#registry/index.ts'
import type { CutoffRecord } from '#revocation/index.ts'
import type { TaskTokenRecord } from '#tasks/index.ts'
import type { Reader, Where } from '../ports.ts'
import type { TableName } from '../tables.ts'
import { pages } from './pages.ts'
import { tokensRestingOn } from './resting-tokens.ts'

/** X of a cutoff, and how far it reaches. */
export type Cut = Pick<CutoffRecord, 'kind' | 'value' | 'before'>

/**
 * Spells a cutoff out: every certificate that it takes back and that has not run out, page by page. Cutoffs that reach
 * tokens alone reach none. Whoever issues under a cutoff waits until it has passed, so that nothing is added later.
 */
export async function* certificatesCutOff(
  reader: Reader,
  cut: Cut,
  now: Instant,
): AsyncGenerator<readonly CertificateRecord[]> {
  const alive = { state: { in: ['intent', 'issued', 'revoked'] }, notAfter: { gt: now } } as const
  const reached = (rows: readonly CertificateRecord[]) => rows.filter(({ issuedAt }) => issuedAt < cut.before)
  const direct = CERTIFICATES_BY[cut.kind]?.(cut.value)
  if (direct !== undefined) {
    for await (const page of pages(reader, 'Certificate', { ...direct, ...alive })) yield reached(page)
    return
  }
  for await (const instances of instancesUnder(reader, cut)) {
    const ids = instances.map(({ id }) => id)
    for await (const page of pages(reader, 'Certificate', { instance: { in: ids }, ...alive })) yield reached(page)
  }
}

/**
 * Every task token that a cutoff kills and that has not run out, page by page. What was issued at `before` or later rests
 * on nothing older: it stays alive, so that an agent which was resumed goes on with its new tokens.
 */
export async function* tokensCutOff(
  reader: Reader,
  cut: Cut,
  now: Instant,
): AsyncGenerator<readonly TaskTokenRecord[]> {
  for await (const page of tokensUnder(reader, cut, now)) {
    const dead = page.filter(({ issuedAt }) => issuedAt < cut.before)
    if (dead.length > 0) yield dead
  }
}

async function* tokensUnder(reader: Reader, cut: Cut, now: Instant): AsyncGenerator<readonly TaskTokenRecord[]> {
  const alive = { expiresAt: { gt: now } }
  const direct = TOKENS_BY[cut.kind]?.(cut.value)
  if (direct !== undefined) {
    yield* pages(reader, 'TaskToken', { ...direct, ...alive })
    return
  }
  if (cut.kind === 'token') {
    const token = await reader.find('TaskToken', { jti: cut.value })
    if (token === null) return
    for await (const page of pages(reader, 'TaskToken', { task: token.task, ...alive })) {
      yield page.filter(({ jti, ancestors }) => jti === cut.value || ancestors.includes(cut.value))
    }
    return
  }
  if (cut.kind === 'subject') {
    for await (const tasks of pages(reader, 'Task', { subject: cut.value })) {
      yield* pages(reader, 'TaskToken', { task: { in: tasks.map(({ id }) => id) }, ...alive })
    }
    return
  }
  yield* tokensOfCertificates(reader, cut, now)
}

/** Tokens die with the certificates that they were issued under, and with those of every token above them. */
async function* tokensOfCertificates(
  reader: Reader,
  cut: Cut,
  now: Instant,
): AsyncGenerator<readonly TaskTokenRecord[]> {
  for await (const certificates of certificatesCutOff(reader, cut, now)) {
    yield* tokensRestingOn(reader, certificates, now)
  }
}

/** The instances of which a cutoff takes something back, dead ones included, page by page. */
export async function* instancesUnder(reader: Reader, cut: Cut): AsyncGenerator<readonly InstanceRecord[]> {
  const { kind, value } = cut
  const direct = INSTANCES_BY[kind]?.(value)
  if (direct !== undefined) yield* pages(reader, 'Instance', direct)
  else if (kind === 'selector') {
    for await (const page of pages(reader, 'Instance', {})) {
      const holders = page.filter(({ selectors }) => selectors.includes(value))
      if (holders.length > 0) yield holders
    }
  }
}

type By<Table extends TableName> = Partial<Record<CutoffRecord['kind'], (value: string) => Where<Table>>>

const CERTIFICATES_BY: By<'Certificate'> = {
  // What agents and people hold; the server's own go with their authority.
  'trust-domain': () => ({ kind: 'svid' }),
  authority: (authority) => ({ authority }),
  spki: (spkiHash) => ({ spkiHash }),
  lineage: (lineage) => ({ lineage }),
  instance: (instance) => ({ instance }),
}

const INSTANCES_BY: By<'Instance'> = {
  'trust-domain': () => ({}),
  agent: (agent) => ({ agent }),
  node: (node) => ({ node }),
  evidence: (evidenceDigest) => ({ evidenceDigest }),
  instance: (id) => ({ id }),
  lineage: (lineage) => ({ lineage }),
}

const TOKENS_BY: By<'TaskToken'> = {
  'trust-domain': () => ({}),
  actor: (agent) => ({ agent }),
  agent: (agent) => ({ agent }),
  task: (task) => ({ task }),
}
