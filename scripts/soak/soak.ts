import type { Provider } from '../../test/support/databases.ts'
import { SoakAgent } from './agent.ts'
import { Counters } from './counters.ts'
import { Operator } from './operator.ts'
import { rotateIssuer, rotateTokenKey, tryDeadToken, type Stage } from './rotation.ts'
import { SoakServer } from './server.ts'
import { pause, Traffic } from './traffic.ts'

export interface SoakOptions {
  readonly minutes: number
  readonly agents: number
  readonly provider: Provider
  /** Agents renew on demand; else a rotation waits until each has renewed by itself, which takes minutes. */
  readonly isHurried: boolean
  readonly said: (text: string) => void
}

/**
 * Agents talk to one another and to services while every kind of authority is rotated, rolled back and tainted at least
 * once; then they go on until the time is over.
 */
export async function soak({ minutes, agents: size, provider, isHurried, said }: SoakOptions): Promise<Counters> {
  const end = performance.now() + minutes * 60_000
  const counters = new Counters()
  const server = await SoakServer.start(provider)
  const agents: SoakAgent[] = []
  try {
    await server.register()
    for (let number = 0; number < size; number++) agents.push(await SoakAgent.start(server))
    said(`${String(size)} agents`)
    const operator = await Operator.open(server, agents)
    const traffic = new Traffic(agents, counters)
    try {
      await rotateAll({ operator, agents, counters, isHurried, said }, end)
    } finally {
      await traffic.stop()
      await operator.close()
    }
  } finally {
    await Promise.all(agents.map((agent) => agent.stop()))
    await server.stop()
  }
  return counters
}

async function rotateAll(stage: Stage, end: number): Promise<void> {
  await pause(3_000)
  for (const kind of ['access-token', 'jwt-svid'] as const) {
    await rotateTokenKey(stage, kind)
    await tryDeadToken(stage)
  }
  await rotateIssuer(stage)
  while (performance.now() < end) {
    await tryDeadToken(stage)
    await pause(Math.max(0, Math.min(5_000, end - performance.now())))
  }
}
