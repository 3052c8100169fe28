import type { IssuanceProfile } from '#issuance/index.ts'
import { instant, type Instant } from '#kernel/instant.ts'
import type { JsonObject, JsonValue } from '#kernel/json.ts'
import { CUTOFF_KINDS, revocationNotice, subjectDigest, type CutoffKind } from '#revocation/index.ts'
import type { Reader } from '../ports.ts'
import type { Cut } from './reach.ts'

export interface NoticePorts {
  readonly reader: Reader
  readonly profile: Pick<IssuanceProfile, 'publicUrl'>
}

/** Serials of the certificates whose own rows say it. */
export function noticedSerials(data: JsonObject): readonly string[] {
  return listOf(data['certificates']).filter((serial) => typeof serial === 'string')
}

/**
 * Everything that the commit of an event cut off, as the event says it, whatever its type is.
 */
export async function noticedCuts(ports: NoticePorts, data: JsonObject): Promise<readonly Cut[]> {
  const { at } = data
  const cuts: Cut[] = []
  for (const notice of listOf(data['cutoffs'])) {
    if (!isObject(notice)) continue
    const { kind, value, digest, before } = notice
    if (!isKind(kind) || typeof before !== 'number') continue
    if (typeof value === 'string') cuts.push({ kind, value, before: instant(before) })
    else if (typeof digest === 'string' && typeof at === 'number') {
      cuts.push(...(await personal(ports, { kind, digest, at: instant(at) })))
    }
  }
  return cuts
}

/** An event has personal values as digests; the row, found by its moment, has them in clear. */
async function personal(
  { reader, profile }: NoticePorts,
  { kind, digest, at }: { readonly kind: CutoffKind; readonly digest: string; readonly at: Instant },
): Promise<readonly Cut[]> {
  const rows = await reader.list('Cutoff', { where: { createdAt: at, kind }, limit: 1000 })
  return rows.filter((row) => {
    const [shown] = revocationNotice(at, [row], (subject) => subjectDigest(profile.publicUrl, subject)).cutoffs
    return shown !== undefined && 'digest' in shown && shown.digest === digest
  })
}

function isKind(kind: JsonValue | undefined): kind is CutoffKind {
  return CUTOFF_KINDS.some((known) => known === kind)
}

function isObject(value: JsonValue): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function listOf(value: JsonValue | undefined): readonly JsonValue[] {
  return Array.isArray(value) ? (value as readonly JsonValue[]) : []
}
