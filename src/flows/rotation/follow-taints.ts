import { record } from '#audit/index.ts'
import type { AuthorityRecord } from '#authority/index.ts'
import type { CertificateRecord } from '#issuance/index.ts'
import { isWritError } from '#kernel/errors.ts'
import { instant, type Instant } from '#kernel/instant.ts'
import type { AuthorityPorts } from '../issuance-ports.ts'
import { listAuthorities } from '../load-authorities.ts'
import type { Commit, Reader } from '../ports.ts'
import { takeStep } from '../transition-authority.ts'
import { inForce } from './gates.ts'
import { deadlineMark } from './deadline.ts'
import { cutOffAuthority, hasCertificates, isCutOff } from './taints.ts'

/**
 * Goes on with every tainted authority, from whatever is in the store: once all who held its certificates have new
 * ones, or its time is up, everything that it signed is cut off; when its time is up it is retired. Run every few
 * seconds by whoever holds the lease; two at once do no harm. Answers how many steps it took.
 * @throws CLOCK_…, what the reader and the journal throw
 */
export async function followTaints(ports: AuthorityPorts, actor = 'system'): Promise<number> {
  const tainted = (await listAuthorities(ports.reader)).filter(({ state }) => state === 'tainted')
  let taken = 0
  for (const authority of tainted) {
    try {
      taken += await follow(ports, actor, authority)
    } catch (error) {
      // Another replica, or an operator, was faster.
      if (!isWritError(error, 'AUTHORITY_CHANGED')) throw error
    }
  }
  return taken
}

async function follow(ports: AuthorityPorts, actor: string, authority: AuthorityRecord): Promise<number> {
  const { reader } = ports
  // 1. How long its holders have; one that is not on record has had its time.
  const now = await ports.clockGuard.check()
  const deadline = (await reader.find('Mark', { name: deadlineMark(authority.id) }))?.at ?? 0
  const isOver = now >= deadline
  // 2. What it signed is cut off when nobody needs it any more, or at the deadline.
  if (hasCertificates(authority) && !(await isCutOff(reader, authority))) {
    const isDue = isOver || (authority.kind === 'x509' && (await isReissued(reader, authority, now)))
    if (!isDue) return 0
    await cutOff(ports, actor, authority)
  } else if (!isOver) return 0
  if (!isOver) return 1
  // 3. Then it is over.
  await takeStep(ports, { actor, id: authority.id, step: 'retire', expectedVersion: authority.version })
  return 1
}

async function cutOff(ports: AuthorityPorts, actor: string, authority: AuthorityRecord): Promise<void> {
  const { guards, changes, events } = await cutOffAuthority(ports.reader, authority, { actor, at: ports.clock.now() })
  await record<Commit>(ports.journal, {
    lock: 'revoke',
    guards,
    changes,
    leaf: {
      type: 'credential.revoked',
      actor,
      object: `authority:${authority.id}`,
      decision: 'permit',
      inputDigest: null,
      policy: null,
      commitments: { handle: 'authority', reason: 'ca_compromise' },
    },
    events,
  })
}

/** Whether everybody who holds a certificate of it has a newer one of another authority. */
async function isReissued(reader: Reader, authority: AuthorityRecord, now: Instant): Promise<boolean> {
  for await (const page of inForce(reader, { authority: authority.id }, now)) {
    if (!(await haveNewer(reader, authority, page))) return false
  }
  return true
}

const AT_ONCE = 100

async function haveNewer(
  reader: Reader,
  authority: AuthorityRecord,
  page: readonly CertificateRecord[],
): Promise<boolean> {
  for (let start = 0; start < page.length; start += AT_ONCE) {
    const some = page.slice(start, start + AT_ONCE)
    const newer = await newestElsewhere(reader, authority, some)
    if (some.some(({ lineage, issuedAt }) => lineage !== null && issuedAt > (newer.get(lineage) ?? -1))) return false
  }
  return true
}

/** For each lineage, when it was last issued a certificate of another authority. */
async function newestElsewhere(
  reader: Reader,
  authority: AuthorityRecord,
  certificates: readonly CertificateRecord[],
): Promise<ReadonlyMap<string, Instant>> {
  const lineages = [...new Set(certificates.flatMap(({ lineage }) => (lineage === null ? [] : [lineage])))]
  const since = instant(Math.min(...certificates.map(({ issuedAt }) => issuedAt)))
  const issued = await reader.list('Certificate', {
    where: { lineage: { in: lineages }, state: 'issued', issuedAt: { gte: since } },
    orderBy: 'issuedAt',
    direction: 'descending',
    limit: 1000,
  })
  const elsewhere = issued.filter((one) => one.authority !== authority.id).toReversed()
  return new Map(elsewhere.flatMap(({ lineage, issuedAt }) => (lineage === null ? [] : [[lineage, issuedAt]])))
}
