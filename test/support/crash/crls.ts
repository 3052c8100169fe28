import { CrlPublisher } from '#flows/crl/crl-publisher.ts'
import { CutoffExpansion } from '#flows/crl/expand-cutoffs.ts'
import { isWritError } from '#kernel/errors.ts'
import type { House } from './house.ts'
import { NOBODY, type Witness } from './witness.ts'

/** What both duties for CRLs do at their next turn, by one who has just taken them over and knows nothing. */
export async function publishCrls({ ports }: House, witness: Witness = NOBODY): Promise<void> {
  const failures: unknown[] = []
  const publisher = new CrlPublisher({
    ...ports,
    crls: {
      keep: ({ id, number }) => {
        witness.acknowledge(`crl ${id} ${String(number)}`)
      },
    },
    crlObserver: { onHealth: () => undefined, onFailure: (_authority, error) => failures.push(error) },
  })
  const expansion = new CutoffExpansion(ports, (entries) => {
    publisher.added(entries)
  })
  await expansion.run()
  await publisher.run()
  const [failure] = failures
  if (isWritError(failure)) throw failure
}
