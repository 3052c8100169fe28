import { createServer } from 'node:https'
import { request } from 'undici'
import { pemKeyOf, withSession, type Identity, type TaskToken } from '#client/index.ts'
import { callPeer, clock, close, listen, random, type SoakAgent } from './agent.ts'
import { whyOf } from './names.ts'
import { now, type Recorder } from './recorder.ts'
import { AUDIENCE } from './server.ts'
import { ACCEPTED, type Where } from './sightings.ts'
import type { Dead } from './verdicts.ts'
import { codeOf, one, pause, showToken, type World } from './traffic.ts'

/** What a thief has taken of one agent. */
export interface Loot {
  readonly agent: SoakAgent
  readonly identity: Identity
  readonly token: TaskToken
  readonly svid: string
}

/** Since when nobody of a kind should take something. */
export type DeadSince = Readonly<Partial<Record<Where, number>>>

/** Shows dead things to whoever should know that they are. */
export class Attacks {
  readonly #world: World
  readonly #recorder: Recorder

  constructor(world: World, recorder: Recorder) {
    this.#world = world
    this.#recorder = recorder
  }

  /** Takes things that are good now, and sees that they are; where a key goes in just that moment, once more. */
  readonly steal = async (agent: SoakAgent): Promise<Loot> => {
    for (let left = 10; ; left--) {
      try {
        const loot = await take(agent)
        await this.#prove(loot)
        return loot
      } catch (error) {
        if (left === 0) throw error
        await pause(1000)
      }
    }
  }

  /** What nobody takes from the beginning would prove nothing when it is refused later. */
  async #prove({ agent, identity, token, svid }: Loot): Promise<void> {
    const taken = await showToken(agent, `${one(this.#world.services)}/task`, token)
    if (taken !== ACCEPTED) throw new TypeError(`what was to be stolen was refused: ${taken}`)
    const over = agent.connect(identity)
    await callPeer(over, one(this.#world.peers), svid).finally(() => over.close())
  }

  async accessToken({ agent, token }: Loot, { service }: DeadSince): Promise<void> {
    for (const url of this.#world.services) {
      await this.#try('a token of a tainted key', 'service', service, () => showToken(agent, `${url}/task`, token))
    }
  }

  async jwtSvid({ agent, svid }: Loot, { peer }: DeadSince): Promise<void> {
    const over = agent.connect()
    const url = one(this.#world.peers)
    await this.#try('a JWT-SVID of a tainted key', 'peer', peer, () => plain(callPeer(over, url, svid)))
    await over.close()
  }

  /** As whoever calls a peer, a service or the server, and as whoever is called. */
  async certificate({ agent, identity }: Loot, dead: DeadSince): Promise<void> {
    const what = 'a certificate of a tainted authority'
    const over = agent.connect(identity)
    const url = one(this.#world.peers)
    await this.#try(what, 'peer', dead.peer, () => plain(callPeer(over, url)))
    await this.#try('a certificate of a tainted authority, as a service', 'peer', dead.peer, () =>
      plain(call(agent, identity)),
    )
    await over.close()
    await this.#certificateAlone(what, { agent, identity }, dead)
    await this.#try(what, 'server', dead.server, () =>
      plain(ask({ ...identity, bundleJson: agent.live.identity.bundleJson })),
    )
  }

  /** An instance that was revoked: at once, and when it must have become known. */
  async victim(loot: Loot, since: number): Promise<void> {
    const dead = { service: since, server: since }
    for (const wait of [0, this.#world.allowance]) {
      await pause(wait)
      const url = one(this.#world.services)
      await this.#try('a token of a revoked instance', 'service', since, () =>
        showToken(loot.agent, `${url}/task`, loot.token),
      )
      await this.#certificateAlone('a certificate of a revoked instance', loot, dead)
      await this.#try('a certificate of a revoked instance', 'server', since, () => plain(ask(loot.identity)))
      await this.#try('a renewal of a revoked instance', 'server', since, () => plain(loot.agent.live.renew()))
    }
  }

  /** A service that is shown a good certificate and no token misses the token. */
  async #certificateAlone(
    what: Dead,
    { agent, identity }: Pick<Loot, 'agent' | 'identity'>,
    dead: DeadSince,
  ): Promise<void> {
    const url = `${one(this.#world.services)}/task`
    const over = agent.connect(identity)
    await this.#try(what, 'service', dead.service, async () => {
      const { statusCode, body } = await request(url, { dispatcher: over })
      const code = codeOf(statusCode, await body.text())
      return code === 'RECEIVER_TOKEN_MISSING' ? ACCEPTED : code
    })
    await over.close()
  }

  async #try(what: Dead, where: Where, deadSince: number | undefined, act: () => Promise<string>): Promise<void> {
    if (deadSince === undefined) return
    const at = now()
    const outcome = await act().catch(whyOf)
    this.#recorder.tried({ what, where, deadSince, at, outcome })
  }
}

async function take(agent: SoakAgent): Promise<Loot> {
  const { live } = agent
  const authority = [{ type: 'task' as const, resource: AUDIENCE, actions: ['read'] }]
  const task = await live.session.openTask({ authority })
  const token = await live.exchange({ task: task.id, resource: AUDIENCE })
  return { agent, identity: live.identity, token, svid: (await live.session.jwtSvid(AUDIENCE)).token.reveal() }
}

async function plain(action: Promise<unknown>): Promise<string> {
  await action
  return ACCEPTED
}

async function ask(identity: Identity): Promise<void> {
  await withSession(identity, { clock, random }, (session) => session.listTasks())
}

/** Calls somebody who shows that certificate. */
async function call(agent: SoakAgent, stolen: Identity): Promise<void> {
  const keys = { cert: stolen.chainPem, key: pemKeyOf(stolen).reveal() }
  const impostor = createServer(keys, (_incoming, response) => response.end())
  const url = await listen(impostor)
  const over = agent.connect()
  try {
    await callPeer(over, url)
  } finally {
    await over.close()
    await close(impostor)
  }
}
