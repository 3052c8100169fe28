import { prepareSecurityEvent } from '#issuance/index.ts'
import { parseCompact, SECURITY_EVENTS, type SecurityEventType, type SecuritySubject } from '#jwt/index.ts'
import { newId } from '#kernel/ids.ts'
import type { JsonObject } from '#kernel/json.ts'
import type { SsfSetRecord, SsfStreamRecord } from '#revocation/index.ts'
import type { IssuePorts } from '../issuance-ports.ts'
import { issueJwt } from '../issue-token.ts'
import type { Change } from '../ports.ts'
import { ssfError } from './errors.ts'

/** So many events of one stream may wait; a receiver that is so far behind is not there. */
export const MOST_WAITING = 1000

/** What is told to one stream. */
export interface SetDraft {
  readonly subject: SecuritySubject
  readonly type: SecurityEventType
  readonly event: JsonObject
  readonly transaction?: string
}

type Addressee = Pick<SsfStreamRecord, 'id' | 'audience' | 'position'>

/** Recorded with a leaf of its own, and signed; kept by the commit that the caller makes with it. */
export async function signSet(ports: IssuePorts, stream: Addressee, draft: SetDraft): Promise<SsfSetRecord> {
  const issuedAt = await ports.clockGuard.check()
  const id = newId('event', issuedAt, ports.random)
  const prepared = prepareSecurityEvent(ports.authorities.current().active('events'), {
    ...draft,
    issuer: ports.profile.publicUrl,
    audience: stream.audience,
    id,
    issuedAt,
  })
  const commitments = { stream: stream.id, ...(draft.transaction === undefined ? {} : { event: draft.transaction }) }
  const leaf = { type: 'security-event.signed', actor: 'system', inputDigest: null, policy: null, commitments }
  const token = await issueJwt(ports, { prepared, commit: { guards: [], changes: [], leaf, events: [] } })
  return { id, stream: stream.id, position: stream.position, token, createdAt: issuedAt }
}

export function insertSet(row: SsfSetRecord): Change {
  return { op: 'insert', table: 'SsfSet', row, refuse: () => ssfError('SSF_STREAM_CHANGED') }
}

/** What a stream says of itself before it is stopped: it is delivered also when nothing else is. */
export function isStreamUpdate({ token }: SsfSetRecord): boolean {
  const events = parseCompact(token, 'security-event').claims['events']
  return typeof events === 'object' && events !== null && SECURITY_EVENTS.streamUpdated in events
}
