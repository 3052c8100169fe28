import type { Provider } from '../../test/support/databases.ts'
import { Fleet } from './fleet.ts'
import { Ledger, type Figures } from './ledger.ts'
import { Operator } from './operator.ts'
import { now } from './recorder.ts'
import { rotateIssuer, rotateRoot, rotateTokenKey, type Stage } from './rotation.ts'
import { SoakServer, type Mode } from './server.ts'
import { SoakService } from './service.ts'
import { pause } from './traffic.ts'

export interface SoakOptions {
  readonly minutes: number
  readonly agents: number
  readonly workers: number
  readonly provider: Provider
  readonly mode: Mode
  /** Agents renew every few seconds, and kinds of keys are rotated at the same time. */
  readonly isHurried: boolean
  readonly said: (text: string) => void
}

export interface StepDone {
  readonly name: string
  /** Milliseconds. */
  readonly took: number
}

export interface SoakReport {
  readonly clean: boolean
  readonly mode: Mode
  readonly agents: number
  readonly seconds: number
  readonly figures: Figures
  readonly steps: readonly StepDone[]
  /** What was dead and was shown, and what was said to it. */
  readonly refusals: Readonly<Record<string, number>>
  /** What was refused because its key had been tainted a moment before. */
  readonly excuses: Readonly<Record<string, number>>
  /** What must not have happened. */
  readonly examples: readonly string[]
}

const SERVICES = 3
const PROGRESS_EVERY = 10_000

/**
 * Agents talk to one another and to services while every kind of authority is rotated, rolled back and tainted; then
 * they go on until the time is over.
 */
export async function soak(options: SoakOptions): Promise<SoakReport> {
  const { agents, mode, isHurried, said } = options
  const began = now()
  const allowance = isHurried ? 5000 : 2000
  const ledger = new Ledger(allowance)
  const steps: StepDone[] = []
  const progress = setInterval(() => {
    said(JSON.stringify(ledger.figures))
    for (const example of ledger.examples.slice(0, 2)) said(example)
  }, PROGRESS_EVERY)
  const server = await SoakServer.start(options.provider, mode)
  const fleet = new Fleet(server, options.workers, (seen) => {
    ledger.take(seen)
  })
  const services: SoakService[] = []
  try {
    await server.register()
    for (let number = 0; number < SERVICES; number++) {
      services.push(await SoakService.start(server.origin, await server.joinToken('service')))
    }
    const peers = await fleet.enroll(agents)
    said(`${String(agents)} agents, ${String(SERVICES)} services, ${mode}`)
    const [pace, lasts, renewsEvery] = isHurried ? [1000, 2000, 8000] : [3000, 10_000, 30_000]
    await fleet.begin({ peers, services: services.map(({ url }) => url), pace, lasts, renewsEvery, allowance })
    const operator = new Operator(server, fleet, services, isHurried)
    const holds = isHurried ? 1000 : 10_000
    const step: Stage['step'] = async (name, action) => {
      const started = now()
      const value = await action()
      steps.push({ name, took: now() - started })
      said(`${name}, after ${((now() - started) / 1000).toFixed(1)} s`)
      return value
    }
    const stage = { operator, fleet, ledger, mode, holds, within: isHurried ? 10 : 45, allowance, step }
    await pause(holds)
    await rotateAll(stage, isHurried)
    for (const end = began + options.minutes * 60_000; now() < end;) {
      await killOne(stage)
      await pause(Math.min(5000, end - now()))
    }
  } finally {
    clearInterval(progress)
    await fleet.end()
    await Promise.allSettled(services.map((service) => service.stop()))
    await server.stop()
  }
  const { figures, isClean: clean, refusals, excuses, examples } = ledger
  return { clean, mode, agents, seconds: (now() - began) / 1000, figures, steps, refusals, excuses, examples }
}

async function rotateAll(stage: Stage, isHurried: boolean): Promise<void> {
  const tokens = (['access-token', 'jwt-svid'] as const).map((kind) => () => rotateTokenKey(stage, kind))
  const certificates = async () => {
    await rotateIssuer(stage)
    await killOne(stage)
    if (stage.mode === 'rooted') await rotateRoot(stage)
  }
  if (isHurried) {
    await Promise.all([...tokens, certificates].map((act) => act()))
    return
  }
  for (const act of [...tokens, certificates]) {
    await act()
    await killOne(stage)
  }
}

/** An instance is revoked, and tried. */
async function killOne({ operator, fleet }: Stage): Promise<void> {
  const instance = await fleet.victim()
  await operator.revokeInstance(instance)
  await fleet.tryVictim(now())
}
