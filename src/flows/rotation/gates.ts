import {
  activationGate,
  adoptionOf,
  isMeasured,
  retirementGate,
  sequenceOf,
  sequenceWith,
  type Adoption,
  type AdoptionFacts,
  type AuthorityRecord,
  type Gate,
  type LivingInstance,
} from '#authority/index.ts'
import { PROFILES, type CertificateRecord } from '#issuance/index.ts'
import type { Instant } from '#kernel/instant.ts'
import { listAuthorities } from '../load-authorities.ts'
import type { Reader } from '../ports.ts'

const PAGE = 1000
/** A gate that cannot be measured with so many certificates waits for the time. */
const MOST_CERTIFICATES = 100_000

export interface GateQuestion {
  readonly subject: AuthorityRecord
  readonly records: readonly AuthorityRecord[]
  readonly now: Instant
}

/** Whether a step has to wait, and for what. Nothing is measured where time has opened the gate already. */
export async function readGate(reader: Reader, step: 'activate' | 'retire', question: GateQuestion): Promise<Gate> {
  const { subject } = question
  if (step === 'activate') {
    const gate = activationGate({ ...question, adoption: null })
    if (gate.open || !isMeasured(subject.kind)) return gate
    return activationGate({ ...question, adoption: await readAdoption(reader, question) })
  }
  const longestLeaf = PROFILES.svid.mostLifetime
  const gate = retirementGate({ ...question, longestLeaf, inUse: null })
  if (gate.open || !isMeasured(subject.kind)) return gate
  return retirementGate({ ...question, longestLeaf, inUse: await isInUse(reader, subject.id, question.now) })
}

/** Whose bundle holds an authority, of all living instances. Null where nobody can hold it yet. */
export async function readAdoption(reader: Reader, { subject, records, now }: GateQuestion): Promise<Adoption | null> {
  const wanted = sequenceWith(subject, records)
  return wanted === null ? null : adoptionOf(wanted, await readAdoptionFacts(reader, now))
}

/**
 * A sequence that no bundle has had yet is that of a store from before a backup was restored, or made up: what its
 * bundle holds nobody knows.
 */
export async function readAdoptionFacts(reader: Reader, now: Instant): Promise<AdoptionFacts> {
  const [{ living, complete }, receivers] = await Promise.all([readLiving(reader, now), readReceivers(reader)])
  // Read last, so that nobody can have fetched a later one.
  const newest = sequenceOf(await listAuthorities(reader))
  const believed = living.map((one) =>
    one.sequence !== null && one.sequence > newest ? { ...one, sequence: null } : one,
  )
  return { living: believed, complete: complete && receivers.length < PAGE, receivers }
}

async function readReceivers(reader: Reader): Promise<readonly (readonly string[])[]> {
  const resources = await reader.list('Resource', { where: { state: 'active' }, limit: PAGE })
  return resources.map(({ spiffeIds }) => spiffeIds)
}

/** Every instance with a certificate in force that nobody has taken back, and what it was last seen with. */
async function readLiving(
  reader: Reader,
  now: Instant,
): Promise<{ readonly living: readonly LivingInstance[]; readonly complete: boolean }> {
  const living = new Map<string, LivingInstance>()
  let scanned = 0
  for await (const page of inForce(reader, {}, now)) {
    scanned += page.length
    if (scanned > MOST_CERTIFICATES) return { living: [...living.values()], complete: false }
    for (const one of await seenWith(reader, page)) living.set(one.instance, one)
  }
  return { living: [...living.values()], complete: true }
}

async function seenWith(reader: Reader, page: readonly CertificateRecord[]): Promise<readonly LivingInstance[]> {
  const names = new Map(page.flatMap(({ instance, spiffeId }) => (instance === null ? [] : [[instance, spiffeId]])))
  const ids = [...names.keys()]
  if (ids.length === 0) return []
  const [instances, seen] = await Promise.all([
    reader.list('Instance', { where: { id: { in: ids }, state: 'active' }, limit: PAGE }),
    reader.list('Adoption', { where: { instance: { in: ids } }, limit: PAGE }),
  ])
  const agents = [...new Set(instances.map(({ agent }) => agent))]
  const dead = new Set(await retiredAgents(reader, agents))
  const sequences = new Map(seen.map(({ instance, sequence }) => [instance, BigInt(sequence)]))
  return instances
    .filter(({ agent }) => !dead.has(agent))
    .map(({ id, spiffeId }) => ({ instance: id, spiffeId, sequence: sequences.get(id) ?? null }))
}

async function retiredAgents(reader: Reader, ids: readonly string[]): Promise<readonly string[]> {
  if (ids.length === 0) return []
  const retired = await reader.list('Agent', { where: { id: { in: ids }, state: 'retired' }, limit: PAGE })
  return retired.map(({ id }) => id)
}

/** Whether somebody was last seen with what it signed, or could still present it. */
async function isInUse(reader: Reader, authority: string, now: Instant): Promise<boolean> {
  const certificate = await reader.list('Certificate', {
    where: { authority, kind: 'svid', state: { in: ['intent', 'issued'] }, notAfter: { gt: now } },
    limit: 1,
  })
  return certificate.length > 0
}

/** SVIDs that have not run out, page by page. */
export async function* inForce(
  reader: Reader,
  where: { readonly authority?: string },
  now: Instant,
): AsyncGenerator<readonly CertificateRecord[]> {
  const alive = { ...where, kind: 'svid', state: 'issued', notAfter: { gt: now } } as const
  for (let after: string | undefined; ;) {
    const page = await reader.list('Certificate', {
      where: alive,
      limit: PAGE,
      ...(after === undefined ? {} : { after }),
    })
    if (page.length > 0) yield page
    if (page.length < PAGE) return
    after = page.at(-1)?.serial
  }
}
