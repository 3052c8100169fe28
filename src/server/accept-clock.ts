import { acceptClock } from '#flows/accept-clock.ts'
import type { Instant } from '#kernel/instant.ts'
import { closePorts, openPorts } from './compose/ports.ts'
import type { Config } from './config/load.ts'

/**
 * `writ server clock accept`, while the server is stopped: the clock is right although it went back (promise 12).
 * @throws STORE_REPLICA_TAKEN while the server runs, CLOCK_DIFFERS
 */
export async function acceptServerClock(config: Config, actor: string): Promise<Instant> {
  const ports = await openPorts(config, 'open')
  try {
    return await acceptClock(ports, actor)
  } finally {
    await closePorts(ports)
  }
}
