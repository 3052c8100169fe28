import { after, type Instant, type Milliseconds } from '#kernel/instant.ts'
import { isAdopted, type Adoption, type Gate } from './adoption.ts'
import type { AuthorityKind, AuthorityRecord } from './records.ts'
import { isTrusted } from './states.ts'
import { hasPropagated, PROPAGATION, PUBLISHED_MAX_AGE, retireAt } from './thresholds.ts'

/** The kinds whose consumers are enrolled and say which bundle they hold; keys of tokens are fetched by anybody. */
const MEASURED: readonly AuthorityKind[] = ['x509', 'x509-root']

export function isMeasured(kind: AuthorityKind): boolean {
  return MEASURED.includes(kind)
}

export interface ActivationFacts {
  readonly subject: AuthorityRecord
  readonly records: readonly AuthorityRecord[]
  /** Null where it was not looked at. */
  readonly adoption: Adoption | null
  readonly now: Instant
}

/**
 * Whether an authority may sign for others: once everybody who must trust it has said so, and no cache hides it from
 * anybody else, or once everybody who follows the refresh hint has fetched it twice (decision 0019). Pure.
 */
export function activationGate({ subject, records, adoption, now }: ActivationFacts): Gate {
  const gate = { step: 'activate', adoption, opensAt: null } as const
  const current = records.find(({ kind, state }) => kind === subject.kind && state === 'active')
  // One that has ended signs nothing any more; waiting would help nobody.
  if (current === undefined || now >= current.notAfter) return { ...gate, open: true, because: 'nothing-to-wait-for' }
  const { publishedAt } = subject
  if (publishedAt === null) return { ...gate, open: false, because: 'not-propagated' }
  if (hasPropagated(publishedAt, now)) return { ...gate, open: true, because: 'time' }
  const isShown = now >= publishedAt + PUBLISHED_MAX_AGE
  if (isShown && isMeasured(subject.kind) && adoption !== null && isAdopted(adoption)) {
    return { ...gate, open: true, because: 'adopted' }
  }
  return { ...gate, open: false, because: 'not-propagated', opensAt: after(publishedAt, PROPAGATION) }
}

export interface RetirementFacts {
  readonly subject: AuthorityRecord
  readonly records: readonly AuthorityRecord[]
  /** Whether something living was last seen with what it signed, or what it signed is still in force; null if unknown. */
  readonly inUse: boolean | null
  /** The longest life of anything that it signed. */
  readonly longestLeaf: Milliseconds
  readonly now: Instant
}

/**
 * Whether what an authority signed is over: nobody presents it and nothing of it is in force, or everything that it can
 * have signed has ended. A root is needed as long as anything under it is trusted. Pure.
 */
export function retirementGate(facts: RetirementFacts): Gate {
  const { subject, records } = facts
  const gate = { step: 'retire', adoption: null, opensAt: null } as const
  if (subject.kind === 'x509-root' && records.some((record) => isUnder(record, subject))) {
    const isTainted = subject.state === 'tainted'
    return isTainted ? openGate(gate) : { ...gate, open: false, because: 'authorities-in-force' }
  }
  // What is tainted nobody trusts any more, and what was never active has signed nothing.
  if (subject.state === 'tainted' || subject.activatedAt === null) return openGate(gate)
  // A withdrawn one has signed, too, and its successor's activation is when that ended.
  const since = records.find(({ kind, state }) => kind === subject.kind && state === 'active')?.activatedAt ?? null
  return { ...gate, ...endOf(facts, since) }
}

function openGate(gate: Pick<Gate, 'step' | 'adoption' | 'opensAt'>): Gate {
  return { ...gate, open: true, because: 'nothing-to-wait-for' }
}

/** When it ends what an authority signed that has signed nothing since a moment; null while it may still sign. */
function endOf(
  { subject, inUse, longestLeaf, now }: RetirementFacts,
  since: Instant | null,
): Pick<Gate, 'open' | 'because' | 'opensAt'> {
  const isX509 = isMeasured(subject.kind)
  const because = isX509 ? 'certificates-in-force' : 'tokens-in-force'
  if (since === null) return { open: false, because, opensAt: null }
  const opensAt = retireAt(since, longestLeaf)
  if (now >= opensAt) return { open: true, because: 'time', opensAt: null }
  // Servers replace their own certificates within that time.
  const isUnused = isX509 && inUse === false && hasPropagated(since, now)
  return isUnused ? { open: true, because: 'adopted', opensAt: null } : { open: false, because, opensAt }
}

function isUnder({ kind, issuer, state }: AuthorityRecord, root: AuthorityRecord): boolean {
  return kind === 'x509' && issuer === root.id && isTrusted(state)
}
