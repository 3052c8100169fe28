/** A process with some of the agents in it; told what to do, and telling what it has seen, over its channel. */
import { SoakAgent, type Arrival } from './agent.ts'
import { Attacks, type DeadSince, type Loot } from './attacks.ts'
import { issuerOf, whyOf } from './names.ts'
import { Recorder } from './recorder.ts'
import { Traffic, one, type World } from './traffic.ts'
import { bundleOf } from '#client/index.ts'

/** What a worker can be told. */
export type Order =
  | { readonly do: 'enroll'; readonly arrival: Arrival }
  | { readonly do: 'begin'; readonly world: World }
  | { readonly do: 'standing' }
  | { readonly do: 'settle' }
  | { readonly do: 'renew' }
  | { readonly do: 'steal'; readonly label: string }
  | {
      readonly do: 'attack'
      /** As when it was stolen. */
      readonly label: string
      readonly with: 'accessToken' | 'jwtSvid' | 'certificate'
      readonly dead: DeadSince
    }
  | { readonly do: 'victim'; readonly arrival: Arrival }
  | { readonly do: 'try-victim'; readonly since: number }
  | { readonly do: 'end' }

/** Of each agent: who signed its certificate, and which bundle it holds. */
export interface Standing {
  readonly issuer: string
  readonly sequence: string
}

const recorder = new Recorder()
const agents: SoakAgent[] = []
let traffic: Traffic | undefined
let attacks: Attacks | undefined
const loot = new Map<string, readonly Loot[]>()
let victim: Loot | undefined

type Obedience = { readonly [Do in Order['do']]: (order: Extract<Order, { readonly do: Do }>) => Promise<unknown> }

const OBEDIENCE: Obedience = {
  enroll: async ({ arrival }) => {
    const agent = await SoakAgent.start(arrival)
    agents.push(agent)
    return agent.url
  },
  begin: ({ world }) => {
    attacks = new Attacks(world, recorder)
    traffic = new Traffic(agents, world, recorder)
    return Promise.resolve()
  },
  standing: () =>
    Promise.resolve(
      agents.map(({ live: { identity } }): Standing => {
        return { issuer: issuerOf(identity), sequence: String(bundleOf(identity).sequence ?? 0n) }
      }),
    ),
  settle: async () => traffic?.settled(),
  renew: async () => traffic?.renewAll(),
  steal: async ({ label }) => {
    const { steal } = requireAttacks()
    loot.set(label, await Promise.all([steal(one(agents)), steal(one(agents))]))
  },
  attack: async ({ label, with: weapon, dead }) => {
    for (const piece of loot.get(label) ?? []) await attacks?.[weapon](piece, dead)
  },
  victim: async ({ arrival }) => {
    victim = await requireAttacks().steal(await SoakAgent.start(arrival))
    return victim.identity.instance
  },
  'try-victim': async ({ since }) => {
    if (victim !== undefined) await attacks?.victim(victim, since)
    await victim?.agent.stop()
  },
  end: async () => {
    await traffic?.stop()
    await Promise.all(agents.map((agent) => agent.stop()))
  },
}

function requireAttacks(): Attacks {
  if (attacks === undefined) throw new TypeError('nothing has begun')
  return attacks
}

function obey(order: Order): Promise<unknown> {
  return (OBEDIENCE[order.do] as (order: Order) => Promise<unknown>)(order)
}

function tell(): void {
  process.send?.({ seen: recorder.take() })
}

const telling = setInterval(tell, 500)
process.on('message', ({ id, order }: { readonly id: number; readonly order: Order }) => {
  obey(order)
    .then(
      (value) => ({ id, value }),
      (error: unknown) => ({ id, error: whyOf(error) }),
    )
    .then((answer) => {
      tell()
      process.send?.(answer)
      if (order.do !== 'end') return
      clearInterval(telling)
      process.disconnect()
    })
    .catch(() => process.exit(1))
})
process.on('disconnect', () => process.exit(0))
