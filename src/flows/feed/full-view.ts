import { DAY, HOUR, instant, MINUTE, type Instant } from '#kernel/instant.ts'
import type { CutoffRecord } from '#revocation/index.ts'
import { revocationsBehind } from '../crl/revocations-told.ts'
import type { Reader } from '../ports.ts'
import { cutoffsSince } from '../revoke/cutoffs-since.ts'
import { noticedCuts } from '../revoke/noticed.ts'
import type { Cut } from '../revoke/reach.ts'
import { positionBefore } from '../revoke/start-position.ts'
import { frame, type Frame } from './frame.ts'
import { certificateFrames, framesOfCutoff, TOKENS_ONLY, type FramePorts } from './frames-of-cutoff.ts'
import { framesOfEvent } from './frames-of-event.ts'

/** Certificates of agents live a day at most: what was cut off longer ago has run out, whatever it was. */
const REACHED = DAY + HOUR
/** Tokens live five minutes at most; the rest is for clocks that differ. */
const TOKENS_REACHED = 7 * MINUTE
const PAGE = 1000

/**
 * Everything that is in force now and that a receiver could still meet. It looks at what was taken back within the
 * longest life of a certificate, by the index of when it was, and not at what is stored in all.
 */
export async function* fullView(ports: FramePorts): AsyncGenerator<readonly Frame[]> {
  const { reader, clock } = ports
  const now = clock.now()
  yield* agentStates(ports)
  const told = new Set<string>()
  yield* endedOfLate(ports, now, told)
  for await (const page of cutoffsSince(reader, wholeHour(now - REACHED))) {
    const cutoffs = page.filter((cutoff) => !told.has(nameOf(cutoff)))
    yield* framesOfPage(ports, cutoffs, now)
  }
  yield* revokedRows(reader, now)
}

/**
 * What can have ended living tokens, by position: a replica whose clock is wrong may revoke, and certificates that were
 * revoked alone leave no cutoff by which their tokens would be found. `told` is given the cutoffs that are dealt with.
 */
async function* endedOfLate(ports: FramePorts, now: Instant, told: Set<string>): AsyncGenerator<readonly Frame[]> {
  let position = await positionBefore(ports.reader, instant(Math.max(0, now - TOKENS_REACHED)))
  for (;;) {
    const { events, next } = await revocationsBehind(ports.reader, position)
    for (const event of events) {
      yield await framesOfEvent(ports, event)
      for (const cut of await noticedCuts(ports, event.data)) told.add(nameOf(cut))
    }
    if (next === position) return
    position = next
  }
}

function nameOf({ kind, value, before }: Cut): string {
  return [kind, value, before].join('\n')
}

/** The same question for an hour, so that what is kept of it does not pile up. */
function wholeHour(moment: number): Instant {
  return instant(Math.max(0, moment - (moment % HOUR)))
}

/** Those who are suspended; and those who were, for somebody who comes back and has not heard that they are no more. */
async function* agentStates({ reader, profile }: FramePorts): AsyncGenerator<readonly Frame[]> {
  for (const where of [{ state: 'suspended' }, { state: 'active', version: { gt: 1 } }] as const) {
    for (let after: string | undefined; ;) {
      const page = await reader.list('Agent', { where, limit: PAGE, ...(after === undefined ? {} : { after }) })
      yield page.flatMap(({ path, permissions }) => {
        const heard = permissions.map(({ audience }) => audience)
        const spiffeId = `spiffe://${profile.trustDomain.name}${path}`
        return heard.length === 0 ? [] : [frame('agent', { spiffe_id: spiffeId, state: where.state }, heard)]
      })
      after = page.at(-1)?.id
      if (page.length < PAGE || after === undefined) break
    }
  }
}

/** Single instances and lineages are by far the most, and are looked up together. */
async function* framesOfPage(
  ports: FramePorts,
  cutoffs: readonly CutoffRecord[],
  now: Instant,
): AsyncGenerator<readonly Frame[]> {
  const isRecent = ({ createdAt }: CutoffRecord): boolean => createdAt >= now - TOKENS_REACHED
  const isSingle = ({ kind }: CutoffRecord): boolean => kind === 'instance' || kind === 'lineage'
  const singles = cutoffs.filter((cutoff) => isSingle(cutoff) && !isRecent(cutoff))
  yield* certificatesOf(ports, 'instance', singles)
  yield* certificatesOf(ports, 'lineage', singles)
  for (const cutoff of cutoffs.filter((one) => isRecent(one) || !isSingle(one))) {
    if (!isRecent(cutoff) && TOKENS_ONLY.includes(cutoff.kind)) continue
    yield* framesOfCutoff(ports, cutoff, isRecent(cutoff) ? 'all' : 'certificates')
  }
}

async function* certificatesOf(
  { reader, clock }: FramePorts,
  kind: 'instance' | 'lineage',
  cutoffs: readonly CutoffRecord[],
): AsyncGenerator<readonly Frame[]> {
  const values = cutoffs.filter((cutoff) => cutoff.kind === kind).map(({ value }) => value)
  if (values.length === 0) return
  // Both are cut off for ever: all that there is of them is dead.
  const where = { [kind]: { in: values }, state: { in: ALIVE }, notAfter: { gt: clock.now() } }
  for (let after: string | undefined; ;) {
    const page = await reader.list('Certificate', { where, limit: PAGE, ...(after === undefined ? {} : { after }) })
    yield await certificateFrames(reader, page)
    after = page.at(-1)?.serial
    if (page.length < PAGE || after === undefined) return
  }
}

const ALIVE = ['intent', 'issued', 'revoked'] as const

/** Certificates that were revoked by themselves. */
async function* revokedRows(reader: Reader, now: Instant): AsyncGenerator<readonly Frame[]> {
  const where = { state: 'revoked', issuedAt: { gte: wholeHour(now - REACHED) }, notAfter: { gt: now } } as const
  for (let after: string | undefined; ;) {
    const page = await reader.list('Certificate', { where, limit: PAGE, ...(after === undefined ? {} : { after }) })
    yield await certificateFrames(reader, page)
    after = page.at(-1)?.serial
    if (page.length < PAGE || after === undefined) return
  }
}
