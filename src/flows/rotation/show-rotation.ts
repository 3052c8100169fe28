import type { Caller } from '#authentication/index.ts'
import {
  activateAt,
  activationGate,
  adoptionOf,
  isHalfMade,
  isMeasured,
  isStandby,
  prepareAt,
  PROPAGATION,
  sequenceWith,
  type AdoptionFacts,
  type AuthorityRecord,
  type Gate,
} from '#authority/index.ts'
import { after, instant, type Instant } from '#kernel/instant.ts'
import { READERS } from '../admin/standing.ts'
import { crlStatusOf, type CrlStatus } from '../crl/crl-facts.ts'
import { listAuthorities } from '../load-authorities.ts'
import type { Reader, StoryPorts } from '../ports.ts'
import { readAdoptionFacts, readGate } from './gates.ts'
import { deadlineMark } from './deadline.ts'
import { hasCertificates, isCutOff } from './taints.ts'

/** What comes next for an authority, and when it comes by itself. */
export interface NextStep {
  readonly step: 'import' | 'publish' | 'activate' | 'prepare' | 'retire' | 'revoke'
  /** Null when it waits for people, or is due as soon as its gate opens. */
  readonly at: Instant | null
}

/** How far an authority is. */
export interface AuthorityProgress {
  readonly authority: AuthorityRecord
  /** What holds its next step; null where nothing does. */
  readonly gate: Gate | null
  readonly next: NextStep | null
  /** Kept for emergencies: another one is made to follow the active one. */
  readonly standby: boolean
  /** As of `at`; null for what has none. */
  readonly crl: CrlStatus | null
  readonly at: Instant
}

export interface ShowRotationPorts extends Pick<StoryPorts, 'reader' | 'clock'> {
  /** Whether one is kept in reserve here, see `dueSteps`. */
  readonly standby?: boolean
}

/** How far every authority is that is not over. @throws ROLE_REQUIRED */
export async function showRotation(
  { reader, clock, standby: isKept = false }: ShowRotationPorts,
  caller: Caller,
): Promise<readonly AuthorityProgress[]> {
  caller.requireRole(...READERS)
  const now = clock.now()
  const records = await listAuthorities(reader)
  const facts = await readAdoptionFacts(reader, now)
  const present = records.filter(({ state }) => state !== 'retired')
  return Promise.all(
    present.map(async (authority) => {
      const standby = isKept && isStandby(authority, records)
      const looking = { authority, records, facts, now, standby }
      const gate = await gateOf(reader, looking)
      const crl = await crlStatusOf(reader, authority, now)
      return { authority, gate, next: await nextOf(reader, looking), standby, crl, at: now }
    }),
  )
}

interface Looking {
  readonly authority: AuthorityRecord
  readonly records: readonly AuthorityRecord[]
  readonly facts: AdoptionFacts
  readonly now: Instant
  readonly standby: boolean
}

async function gateOf(reader: Reader, { authority, records, facts, now }: Looking): Promise<Gate | null> {
  const question = { subject: authority, records, now }
  if (authority.state === 'published') {
    const wanted = isMeasured(authority.kind) ? sequenceWith(authority, records) : null
    return activationGate({ ...question, adoption: wanted === null ? null : adoptionOf(wanted, facts) })
  }
  return authority.state === 'retiring' ? readGate(reader, 'retire', question) : null
}

async function nextOf(reader: Reader, { authority, records, standby }: Looking): Promise<NextStep | null> {
  const active = records.find(({ kind, state }) => kind === authority.kind && state === 'active')
  switch (authority.state) {
    case 'prepared':
      return preparedNext(authority, active)
    case 'published':
      return { step: 'activate', at: standby || isByHand(authority) ? null : activationOf(authority, active) }
    case 'active':
      return { step: 'prepare', at: isByHand(authority) ? null : prepareAt(authority) }
    case 'retiring':
      return { step: 'retire', at: null }
    case 'tainted':
      return taintedNext(reader, authority)
    case 'retired':
      return null
  }
}

function preparedNext(authority: AuthorityRecord, active: AuthorityRecord | undefined): NextStep {
  if (isHalfMade(authority)) return { step: 'import', at: null }
  return { step: 'publish', at: isByHand(authority) || active === undefined ? null : prepareAt(active) }
}

/** What it signed is revoked first, when all have renewed or its time is up; then nothing is left but its end. */
async function taintedNext(reader: Reader, authority: AuthorityRecord): Promise<NextStep> {
  const isRevoked = !hasCertificates(authority) || (await isCutOff(reader, authority))
  return { step: isRevoked ? 'retire' : 'revoke', at: await deadlineOf(reader, authority) }
}

async function deadlineOf(reader: Reader, { id }: AuthorityRecord): Promise<Instant | null> {
  const mark = await reader.find('Mark', { name: deadlineMark(id) })
  return mark === null ? null : instant(mark.at)
}

/** Roots are moved by people, and so is what was taken back. */
function isByHand({ kind, state, activatedAt }: AuthorityRecord): boolean {
  return kind === 'x509-root' || (state === 'published' && activatedAt !== null)
}

function activationOf({ publishedAt }: AuthorityRecord, active: AuthorityRecord | undefined): Instant | null {
  if (active === undefined || publishedAt === null) return null
  return instant(Math.max(activateAt(active), after(publishedAt, PROPAGATION)))
}
