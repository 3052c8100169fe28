import { DAY, HOUR, MINUTE, SECOND, type Milliseconds } from '#kernel/instant.ts'
import type { JsonObject } from '#kernel/json.ts'
import type { CrlStatusView, RotationAnswer } from '#wire/index.ts'

type Progress = RotationAnswer['items'][number]

/** As the server tells it, or without the server as it is stored. */
export function crlOf(row: JsonObject, progress: Progress | undefined): CrlStatusView | null {
  return progress?.crl ?? (row['crl'] as CrlStatusView | undefined) ?? null
}

/** For people: which one it is, how old, and when the next one comes. */
export function sayCrl({ number, age, next, covered_until: until, ahead }: CrlStatusView): string {
  const which = `${String(number)}, ${sayAge(age * SECOND)} old`
  if (until === null) return `${which}, over`
  const further = ahead === 0 ? '' : `, ${String(ahead)} more until ${until}`
  return next === null ? `${which}, the last, until ${until}` : `${which}, next ${next}${further}`
}

function sayAge(age: Milliseconds): string {
  const units = [
    [DAY, 'd'],
    [HOUR, 'h'],
    [MINUTE, 'min'],
  ] as const
  const [length, unit] = units.find(([one]) => age >= one) ?? [SECOND, 's']
  return `${String(Math.floor(age / length))} ${unit}`
}

/** What has to be done by people, in time. */
export function ceremonyLine(row: JsonObject, progress: Progress | undefined): readonly string[] {
  const { id, state } = row
  const crl = crlOf(row, progress)
  if (crl?.made_by !== 'ceremony' || !crl.overdue || state === 'retired' || typeof id !== 'string') return []
  const when = crl.covered_until === null ? 'have run out' : `run out at ${crl.covered_until}`
  return [`hold a ceremony: the CRLs of ${id} ${when}; then writ ca import what it made`]
}
