import type { TaskToken } from '#client/index.ts'
import { callPeer, type SoakAgent } from './agent.ts'
import { issuerOf, keyOfToken, whyOf } from './names.ts'
import { now, type Recorder } from './recorder.ts'
import { AUDIENCE } from './server.ts'
import { ACCEPTED, type Failure, type KeyName } from './sightings.ts'

/** Where everybody is, and how fast they go. */
export interface World {
  readonly peers: readonly string[]
  readonly services: readonly string[]
  /** The mean pause between two things of a kind that an agent does; milliseconds, as all of these. */
  readonly pace: number
  /** How long a connection that lasts is used, one call after the other. */
  readonly lasts: number
  /** Each agent renews this often, so that every step meets certificates of all ages. */
  readonly renewsEvery: number
  /** How long a receiver may take to hear that something is dead. */
  readonly allowance: number
}

/** An agent talks to others all the time: over new connections and lasting ones, with JWT-SVIDs and with task tokens. */
export class Traffic {
  readonly #world: World
  readonly #agents: readonly SoakAgent[]
  readonly #recorder: Recorder
  readonly #running: Promise<unknown>
  readonly #underWay = new Set<Promise<unknown>>()
  /** What is dead is shown once more; nothing that has to work waits for that. */
  readonly #looks = new Set<Promise<unknown>>()
  #stopped = false
  #killed = 0

  constructor(agents: readonly SoakAgent[], world: World, recorder: Recorder) {
    this.#agents = agents
    this.#world = world
    this.#recorder = recorder
    const { pace, renewsEvery } = world
    this.#running = Promise.all(
      agents.flatMap((agent) => [
        this.#again(pace, () => this.#briefly(agent)),
        this.#again(pace, () => this.#lastingly(agent)),
        this.#again(pace * 2, () => this.#withSvid(agent)),
        this.#again(pace, () => this.#forTask(agent)),
        this.#again(renewsEvery, () => this.#renew(agent)),
      ]),
    )
  }

  async stop(): Promise<void> {
    this.#stopped = true
    await this.#running
    await Promise.all(this.#looks)
  }

  /** Resolves when everything has ended that has begun until now. */
  async settled(): Promise<void> {
    await Promise.all(this.#underWay)
  }

  /** Everybody renews now. */
  async renewAll(): Promise<void> {
    await Promise.all(this.#agents.map((agent) => this.#renew(agent)))
  }

  async #again(mean: number, act: () => Promise<void>): Promise<void> {
    await this.#rest(Math.random() * mean)
    while (!this.#stopped) {
      const acting = act()
      this.#underWay.add(acting)
      await acting
      this.#underWay.delete(acting)
      await this.#rest(mean * (0.5 + Math.random()))
    }
  }

  /** Ends early when everything ends. */
  async #rest(length: number): Promise<void> {
    for (const end = now() + length; !this.#stopped && now() < end;) await pause(Math.min(500, end - now()))
  }

  /** Does something that has to work; answers whether it did. */
  async #must(about: About, act: () => Promise<void>): Promise<boolean> {
    const from = now()
    try {
      await act()
      this.#recorder.accepted(about.where, about.keys, from)
      return true
    } catch (error) {
      this.#recorder.failed({ ...about, from, why: whyOf(error) })
      return false
    }
  }

  async #briefly(agent: SoakAgent): Promise<void> {
    const { identity } = agent.live
    const over = agent.connect(identity)
    const about = { what: 'handshake', where: 'peer', keys: [issuerOf(identity)] } as const
    if (await this.#must(about, () => callPeer(over, this.#peer(agent)))) this.#recorder.count('handshakes')
    await over.close()
  }

  async #lastingly(agent: SoakAgent): Promise<void> {
    const { identity } = agent.live
    const over = agent.connect(identity)
    const about = { what: 'handshake', where: 'peer', keys: [issuerOf(identity)] } as const
    const [peer, end] = [this.#peer(agent), now() + this.#world.lasts]
    let isFirst = true
    while (!this.#stopped && now() < end) {
      if (!(await this.#must(about, () => callPeer(over, peer)))) break
      this.#recorder.count(isFirst ? 'handshakes' : 'calls')
      isFirst = false
      await this.#rest(this.#world.pace / 3)
    }
    await over.close()
  }

  async #withSvid(agent: SoakAgent): Promise<void> {
    const { identity, session } = agent.live
    const asked = now()
    let svid = ''
    const asking = { what: 'call', where: 'server', keys: [issuerOf(identity)] } as const
    const isGiven = await this.#must(asking, async () => {
      svid = (await session.jwtSvid(AUDIENCE)).token.reveal()
    })
    if (!isGiven) return
    const over = agent.connect(identity)
    const keys = [issuerOf(identity), keyOfToken('jwt-svid', svid)]
    const about = { what: 'token', where: 'peer', keys, asked } as const
    if (await this.#must(about, () => callPeer(over, this.#peer(agent), svid))) this.#recorder.count('svids')
    await over.close()
  }

  async #forTask(agent: SoakAgent): Promise<void> {
    const made = await this.#token(agent)
    if (made === null) return
    const url = `${one(this.#world.services)}/task`
    const about = { what: 'token', where: 'service', keys: made.keys, asked: made.asked } as const
    const isTaken = await this.#must(about, async () => {
      const outcome = await showToken(agent, url, made.token)
      if (outcome !== ACCEPTED) throw new TypeError(outcome)
    })
    if (!isTaken) return
    this.#recorder.count('tokens')
    if (Math.random() < 0.3) await this.#kill(agent, made, url)
  }

  async #token(agent: SoakAgent): Promise<Made | null> {
    const [before, asked] = [issuerOf(agent.live.identity), now()]
    const authority = [{ type: 'task' as const, resource: AUDIENCE, actions: ['read'] }]
    let made: Made | null = null
    // Its subject is proved by a JWT-SVID, whose key is not seen here.
    await this.#must({ what: 'call', where: 'server', keys: [before, 'jwt-svid:?'] }, async () => {
      const { id: task } = await agent.live.session.openTask({ authority })
      const token = await agent.live.exchange({ task, resource: AUDIENCE })
      const keys = [before, issuerOf(agent.live.identity), keyOfToken('access-token', token.token.reveal())]
      made = { task, token, keys: [...new Set(keys)], asked }
    })
    return made
  }

  /** Takes a task or its token back, and shows the token again: at once, and when it must have become known. */
  async #kill(agent: SoakAgent, { task, token, keys }: Made, url: string): Promise<void> {
    const { session } = agent.live
    const ways = ['a token of a completed task', 'a token of a revoked task', 'a revoked token'] as const
    const what = ways[this.#killed++ % ways.length] ?? ways[0]
    const isDead = await this.#must(
      { what: 'call', where: 'server', keys: [...keys, issuerOf(agent.live.identity)] },
      async () => {
        if (what === 'a revoked token') await session.revokeToken(token)
        else if (what === 'a token of a revoked task') await session.revokeTask(task)
        else await session.completeTask(task)
      },
    )
    if (!isDead) return
    const deadSince = now()
    const look = async () => {
      const at = now()
      const outcome = await showToken(agent, url, token).catch(whyOf)
      this.#recorder.tried({ what, where: 'service', deadSince, at, outcome })
    }
    await look()
    const later = this.#rest(this.#world.allowance).then(async () => {
      // Too early for a judgement when everything ends.
      if (now() >= deadSince + this.#world.allowance) await look()
      this.#looks.delete(later)
    })
    this.#looks.add(later)
  }

  async #renew(agent: SoakAgent): Promise<void> {
    const from = now()
    try {
      await agent.live.renew()
      this.#recorder.count('renewals')
    } catch (error) {
      this.#recorder.failed({ what: 'call', where: 'server', keys: [], from, why: `renewal: ${whyOf(error)}` })
    }
  }

  #peer({ url }: SoakAgent): string {
    return one(this.#world.peers.filter((peer) => peer !== url))
  }
}

type About = Pick<Failure, 'what' | 'where' | 'keys'> & Partial<Pick<Failure, 'asked'>>

interface Made {
  readonly task: string
  readonly token: TaskToken
  readonly keys: readonly KeyName[]
  readonly asked: number
}

/** Presents a token to a service: `accepted`, or why it was refused. */
export async function showToken(agent: SoakAgent, url: string, token: TaskToken): Promise<string> {
  const answer = await agent.live.fetch(url, token)
  const text = await answer.text()
  return answer.status === 200 ? ACCEPTED : codeOf(answer.status, text)
}

/** The code in a refusal of a receiver. */
export function codeOf(status: number, text: string): string {
  return /"(?:error_code|code)":"([A-Z0-9_]+)"/.exec(text)?.[1] ?? `status ${String(status)}: ${text.slice(0, 100)}`
}

export function one<Value>(values: readonly Value[]): Value {
  const value = values[Math.floor(Math.random() * values.length)]
  if (value === undefined) throw new TypeError('there is none')
  return value
}

export function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, milliseconds)))
}
