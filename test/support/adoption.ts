import { byState } from './authority-steps.ts'
import type { Enrolled, World } from './enrollment.ts'

/** As a client says with each call which bundle it holds. */
export async function reportBundle(
  world: World,
  { answer }: Enrolled,
  sequence = world.authorities.current().sequence,
): Promise<void> {
  const { instance } = answer
  const agent = world.store.all('Instance').find(({ id }) => id === instance)?.agent ?? ''
  const authority = byState(world, 'x509', 'active').id
  const row = { instance, agent, authority, sequence: Number(sequence), seenAt: world.clock.now() }
  const leaf = { type: 'test.change', actor: 'system', object: 'test:1', decision: 'permit' } as const
  await world.store.commit({
    lock: 'none',
    guards: [],
    changes: [{ op: 'replace', table: 'Adoption', row }],
    leaf: { ...leaf, inputDigest: null, policy: null, commitments: {} },
    events: [],
  })
}
