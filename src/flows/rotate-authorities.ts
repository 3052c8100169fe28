import { dueSteps, type RotationStep } from '#authority/index.ts'
import { PROFILES } from '#issuance/index.ts'
import type { AuthorityPorts } from './issuance-ports.ts'
import { listAuthorities, refreshAuthorities } from './load-authorities.ts'
import { prepareAuthority } from './prepare-authority.ts'
import { transitionAuthority } from './transition-authority.ts'

/** More than a trust domain from nothing needs; a rotation that does not come to rest has a fault. */
const MOST_ROUNDS = 10

/**
 * Does what is due for every kind of authority, and what that makes due; run every few seconds by whoever holds the
 * lease. From nothing it makes a whole set. A crash anywhere leaves a state from which the next run goes on.
 * Returns how many steps it took.
 * @throws as `prepareAuthority` and `transitionAuthority`
 */
export async function rotateAuthorities(ports: AuthorityPorts, actor = 'system'): Promise<number> {
  let count = 0
  for (let round = 0; round < MOST_ROUNDS; round++) {
    // 1. Look at what there is.
    const records = await listAuthorities(ports.reader)
    const steps = dueSteps({ records, now: ports.clock.now(), longestLeaf: PROFILES.svid.mostLifetime })
    if (steps.length === 0) break
    // 2. Take each step that is due.
    for (const step of steps) await take(ports, actor, step)
    count += steps.length
  }
  // 3. Another replica may have taken some: go by the store.
  await refreshAuthorities(ports)
  return count
}

async function take(ports: AuthorityPorts, actor: string, due: RotationStep): Promise<void> {
  if (due.step === 'prepare') {
    await prepareAuthority(ports, { actor, kind: due.kind })
    return
  }
  const { id, version } = due.authority
  await transitionAuthority(ports, { actor, id, step: due.step, expectedVersion: version })
}
