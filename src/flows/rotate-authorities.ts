import { dueSteps, missingKinds, type AuthorityKind, type RotationStep } from '#authority/index.ts'
import { PROFILES } from '#issuance/index.ts'
import { isWritError } from '#kernel/errors.ts'
import type { AuthorityPorts } from './issuance-ports.ts'
import { listAuthorities, refreshAuthorities } from './load-authorities.ts'
import { prepareAuthority } from './prepare-authority.ts'
import { transitionAuthority } from './transition-authority.ts'

/** More than a trust domain from nothing needs; a rotation that does not come to rest has a fault. */
const MOST_ROUNDS = 10

export interface RotationReport {
  /** How many steps were taken. */
  readonly taken: number
  /** Why a step could not be taken, for each kind; the active authorities go on, and it is tried again next time. */
  readonly failed: ReadonlyMap<AuthorityKind, unknown>
}

export interface RotationOrder {
  readonly actor?: string
  /** Whether one more issuing authority is kept published for emergencies, see `dueSteps`. */
  readonly standby?: boolean
}

/**
 * Does what is due for every kind of authority, and what that makes due; run every few seconds by whoever holds the
 * lease. From nothing it makes a whole set. A crash anywhere leaves a state from which the next run goes on.
 * @throws the first failure, when it leaves a kind without an active authority; what the reader throws
 */
export async function rotateAuthorities(ports: AuthorityPorts, order: RotationOrder = {}): Promise<RotationReport> {
  const { actor = 'system', standby = false } = order
  const failed = new Map<AuthorityKind, unknown>()
  let taken = 0
  for (let round = 0; round < MOST_ROUNDS; round++) {
    // 1. Look at what there is, and what is due.
    const steps = (await stepsDue(ports, standby)).filter((step) => !failed.has(kindOf(step)))
    if (steps.length === 0) break
    // 2. Take each step; one kind's trouble is not another's.
    for (const step of steps) {
      const failure = await take(ports, actor, step)
      if (failure === null) taken++
      // Another replica was faster: the next round sees what is due now.
      else if (!isWritError(failure, 'AUTHORITY_CHANGED')) failed.set(kindOf(step), failure)
    }
  }
  // 3. Go by the store, in which another replica may have taken some.
  await refreshAuthorities(ports)
  const [missing] = missingKinds(ports.authorities.current().records).filter((kind) => failed.has(kind))
  if (missing !== undefined) throw failed.get(missing)
  return { taken, failed }
}

async function stepsDue({ reader, clock }: AuthorityPorts, standby: boolean): Promise<readonly RotationStep[]> {
  const records = await listAuthorities(reader)
  return dueSteps({ records, now: clock.now(), longestLeaf: PROFILES.svid.mostLifetime, standby })
}

function kindOf(due: RotationStep): AuthorityKind {
  return due.step === 'prepare' ? due.kind : due.authority.kind
}

/** Takes a step, or says why it could not be taken. */
async function take(ports: AuthorityPorts, actor: string, due: RotationStep): Promise<unknown> {
  try {
    if (due.step === 'prepare') {
      await prepareAuthority(ports, { actor, kind: due.kind })
    } else {
      const { id, version } = due.authority
      await transitionAuthority(ports, { actor, id, step: due.step, expectedVersion: version })
    }
    return null
  } catch (error) {
    return error
  }
}
