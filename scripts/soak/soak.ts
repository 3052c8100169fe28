import type { Provider } from '../../test/support/databases.ts'
import { Fleet } from './fleet.ts'
import { Ledger, type Figures } from './ledger.ts'
import { Operator, type Kind } from './operator.ts'
import { whyOf } from './names.ts'
import { PulseTaker, type Pulse } from './pulse.ts'
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
  /** Servers on one database; more than one need PostgreSQL. */
  readonly replicas: 1 | 2
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
  readonly replicas: number
  readonly seconds: number
  readonly figures: Figures
  readonly steps: readonly StepDone[]
  readonly coverage: Coverage
  /** What was dead and was shown, and what was said to it. */
  readonly refusals: Readonly<Record<string, number>>
  /** What was refused because its key had been tainted a moment before. */
  readonly excuses: Readonly<Record<string, number>>
  /** How long after the answer to a taint the last of these began, in milliseconds. */
  readonly lastExcuse: number
  readonly pulse: Pulse
  /** What must not have happened. */
  readonly examples: readonly string[]
}

/** Of each kind of key: what was done with it, or why there is none. */
export type Coverage = Readonly<Record<Kind, string>>

const SERVICES = 3
const KINDS = ['x509', 'x509-root', 'access-token', 'jwt-svid'] as const
/** For each kind, as its steps are called. */
const ACTS = {
  rotated: ['published', 'activated again', 'the first one is retired'],
  'rolled back': ['activated', 'rolled back'],
  tainted: ['the one that signs is tainted'],
}
const ALL_OF_IT = 'rotated, rolled back, tainted'
const NO_ROOT = 'there is none: each issuing authority is its own root, and goes through all of it as x509'
const PROGRESS_EVERY = 10_000

/** How fast everything goes, in milliseconds. */
interface Tempo {
  /** As in `World`. */
  readonly pace: number
  readonly lasts: number
  readonly renewsEvery: number
  readonly looksEvery: number
  readonly allowance: number
  /** How long each state is kept at least. */
  readonly holds: number
  /** Seconds that holders of a tainted authority's certificates have. */
  readonly within: number
}

const CALM: Tempo = {
  ...{ pace: 3000, lasts: 10_000, renewsEvery: 30_000, looksEvery: 2000 },
  ...{ allowance: 2000, holds: 10_000, within: 45 },
}
const HURRIED: Tempo = {
  ...{ pace: 1000, lasts: 2000, renewsEvery: 8000, looksEvery: 1000 },
  ...{ allowance: 5000, holds: 1000, within: 10 },
}

/**
 * Agents talk to one another and to services while every kind of authority is rotated, rolled back and tainted; then
 * they go on until the time is over.
 */
export async function soak(options: SoakOptions): Promise<SoakReport> {
  const { agents, mode, replicas, isHurried, said } = options
  const began = now()
  const tempo = isHurried ? HURRIED : CALM
  const ledger = new Ledger(tempo.allowance)
  const progress = setInterval(() => {
    said(JSON.stringify(ledger.figures))
    for (const example of ledger.wrongs.slice(0, 2)) said(example)
  }, PROGRESS_EVERY)
  const steps = new Steps(said)
  const server = await SoakServer.start(options)
  const fleet = new Fleet(server, { workers: options.workers, looksEvery: tempo.looksEvery }, (seen) => {
    ledger.take(seen)
  })
  const pulse = new PulseTaker(server)
  const services: SoakService[] = []
  try {
    await server.register()
    for (let number = 0; number < SERVICES; number++) {
      const noted = (error: unknown) => {
        pulse.note(`service ${String(number)}: ${whyOf(error)}`)
      }
      services.push(await SoakService.start(await fleet.arrival('service'), noted))
    }
    const peers = await fleet.enroll(agents)
    said(`${String(agents)} agents, ${String(SERVICES)} services, ${mode}, servers: ${String(replicas)}`)
    await fleet.begin({ peers, services: services.map(({ url }) => url), ...tempo })
    const operator = new Operator(server, fleet, services, isHurried)
    const stage = { operator, fleet, ledger, mode, ...tempo, step: steps.take }
    await pause(tempo.holds)
    await (isHurried ? rotateAtOnce(stage) : rotateInTurn(stage))
    for (const end = began + options.minutes * 60_000; now() < end;) {
      await killOne(stage)
      await pause(Math.min(5000, end - now()))
    }
  } finally {
    clearInterval(progress)
    pulse.stop()
    await fleet.end()
    await Promise.allSettled(services.map((service) => service.stop()))
    await server.stop()
  }
  const { figures, refusals, excuses, lastExcuse, examples } = ledger
  const { done, coverage } = { done: steps.done, coverage: coverageOf(steps.done, mode) }
  const clean = ledger.isClean && Object.values(coverage).every((said) => said === ALL_OF_IT || said === NO_ROOT)
  const what = { mode, agents, replicas, seconds: (now() - began) / 1000 }
  return { clean, ...what, figures, steps: done, coverage, refusals, excuses, lastExcuse, examples, pulse: pulse.taken }
}

/** What was done, and how long it took. */
class Steps {
  readonly done: StepDone[] = []
  readonly #said: (text: string) => void

  constructor(said: (text: string) => void) {
    this.#said = said
  }

  readonly take: Stage['step'] = async (name, action) => {
    const started = now()
    const value = await action()
    this.done.push({ name, took: now() - started })
    this.#said(`${name}, after ${((now() - started) / 1000).toFixed(1)} s`)
    return value
  }
}

const TOKENS = ['access-token', 'jwt-svid'] as const

/** One kind after the other, so that each is watched by itself. */
async function rotateInTurn(stage: Stage): Promise<void> {
  for (const kind of TOKENS) {
    await rotateTokenKey(stage, kind)
    await killOne(stage)
  }
  const certificates = stage.mode === 'rooted' ? [rotateIssuer, rotateRoot] : [rotateIssuer]
  for (const rotate of certificates) {
    const rest = await rotate(stage)
    await rest()
    await killOne(stage)
  }
}

/** All kinds at the same time; the root follows the issuing authority while what that signed is being revoked. */
async function rotateAtOnce(stage: Stage): Promise<void> {
  const tokens = Promise.all(TOKENS.map((kind) => rotateTokenKey(stage, kind)))
  const certificates = async () => {
    const rest = await rotateIssuer(stage, tokens)
    const root = async () => (await rotateRoot(stage))()
    await Promise.all([rest(), killOne(stage), ...(stage.mode === 'rooted' ? [root()] : [])])
  }
  await Promise.all([tokens, certificates()])
}

/** An instance is revoked, and tried. */
async function killOne({ operator, fleet }: Stage): Promise<void> {
  const instance = await fleet.victim()
  await operator.revokeInstance(instance)
  await fleet.tryVictim(now())
}

/** Whether every kind went through all of it. */
function coverageOf(steps: readonly StepDone[], mode: Mode): Coverage {
  const names = new Set(steps.map(({ name }) => name))
  const said = KINDS.map((kind) => {
    const missing = Object.entries(ACTS).filter(([, acts]) => acts.some((act) => !names.has(`${kind}: ${act}`)))
    const isAll = missing.length === 0
    if (kind === 'x509-root' && mode === 'self-rooted') return [kind, NO_ROOT]
    return [kind, isAll ? ALL_OF_IT : `NOT ${missing.map(([act]) => act).join(', not ')}`]
  })
  return Object.fromEntries(said) as Coverage
}
