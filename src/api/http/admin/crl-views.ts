import type { CrlStatus } from '#flows/crl/crl-facts.ts'
import type { ImportedCrl } from '#flows/crl/import-root-crl.ts'
import { SECOND, toRfc3339, type Instant } from '#kernel/instant.ts'
import type { CrlStatusView, ImportedCrlView } from '#wire/index.ts'

export function importedCrlView({ crl, isNew }: ImportedCrl): ImportedCrlView {
  const { authority, number, thisUpdate, nextUpdate } = crl
  return {
    ...{ authority, number },
    this_update: toRfc3339(thisUpdate),
    next_update: toRfc3339(nextUpdate),
    state: isNew ? 'stored' : 'present',
  }
}

export function crlStatusView(crl: CrlStatus, now: Instant): CrlStatusView {
  const { by, number, thisUpdate, nextUpdate, next, coveredUntil, ahead, overdue } = crl
  return {
    made_by: by,
    number,
    this_update: toRfc3339(thisUpdate),
    next_update: toRfc3339(nextUpdate),
    age: Math.max(0, Math.floor((now - thisUpdate) / SECOND)),
    next: next === null ? null : toRfc3339(next),
    covered_until: coveredUntil === null ? null : toRfc3339(coveredUntil),
    ahead,
    overdue,
  }
}
