import { beforeEach, describe, expect, it } from 'vitest'
import { resumeAgent, retireAgent, suspendAgent } from '#flows/admin/agent-state.ts'
import { framesOfEvent } from '#flows/feed/frames-of-event.ts'
import type { Journal } from '#flows/ports.ts'
import { revoke } from '#flows/revoke/revoke.ts'
import { spellOut } from '#flows/ssf/spell-out.ts'
import { StatusLists } from '#flows/status-list/status-lists.ts'
import { readStatusList } from '#jwt/index.ts'
import { after, MINUTE, SECOND, toRfc3339, type Instant } from '#kernel/instant.ts'
import type { RevocationHandle } from '#revocation/index.ts'
import { ISSUER, spkiHashOf, TaskHouse, type Copy } from '../support/task-house.ts'

/** How far the clock of the replica that revokes is behind the one that issues. */
const BEHIND = 90 * SECOND

let house: TaskHouse
let billing: Copy
let bot: Copy
let task: string

beforeEach(async () => {
  house = await TaskHouse.build()
  billing = house.addAgent('billing')
  bot = house.addAgent('invoice-bot')
  house.store.seed('Authority', { id: 'aut_x509', kind: 'x509', certificate: null } as never)
  house.store.seed('Node', { id: 'nod_1' } as never)
  house.clock.advance(3 * MINUTE)
  task = (await house.open(bot)).id
})

const admin = () => house.principal('local:1000', 'admin')
const agent = { name: 'invoice-bot' }

/** What the replica does whose clock is behind. */
async function behind<Answer>(act: () => Promise<Answer>): Promise<Answer> {
  house.clock.advance(-BEHIND)
  try {
    return await act()
  } finally {
    house.clock.advance(BEHIND)
  }
}

const VALUES: readonly (readonly [RevocationHandle, () => string])[] = [
  ['agent', () => 'invoice-bot'],
  ['authority', () => 'aut_x509'],
  ['node', () => 'nod_1'],
  ['evidence', () => bot.instance.slice(2).padStart(64, '0')],
  ['selector', () => 'join_token:default:bot'],
  ['key', () => spkiHashOf(bot.serial)],
  ['trust-domain', () => 'example.org'],
  ['subject', () => bot.spiffeId],
]

describe('what a replica revokes whose clock is 90 s behind', () => {
  it.each(VALUES)('by %s takes the tokens with it on every channel', async (handle, valueOf) => {
    if (handle === 'selector') await house.change('Instance', { id: bot.instance }, { selectors: [valueOf()] })
    const { accessToken } = await house.start(bot, task)
    const { id, status } = house.claims(accessToken)
    const request = { handle, value: valueOf(), reason: 'unspecified' } as const
    await behind(() => revoke(house.ports, admin(), request))
    expect(await house.introspect(billing, accessToken)).toEqual({ active: false })
    await house.store.sequence('Outbox')
    const event = house.store.all('Outbox').findLast(({ type }) => type === 'credential.revoked')
    if (event?.position == null) throw new TypeError('nothing was said')
    const frames = await framesOfEvent(house.ports, { ...event, position: event.position })
    expect(refuses(frames, { id, issuedAt: house.clock.now() })).toBe(true)
    const spelled = await spellOut(house.ports, event, house.clock.now())
    expect(spelled?.tokens.map(({ jti }) => jti)).toEqual([id])
    house.pass(1)
    const { token } = await new StatusLists(house.ports).get('0')
    const keys = house.ports.authorities.current().keySet('status')
    const list = readStatusList(token, keys, { uri: `${ISSUER}/status/0`, now: house.clock.now() })
    expect(list.statusAt(status?.index ?? -1)).toBe(1)
  })
})

/** Whether a receiver that heard these frames refuses the token: by its name, or by when it was issued. */
function refuses(frames: readonly { readonly text: string }[], token: { id: string; issuedAt: Instant }): boolean {
  return frames.some(({ text }) => {
    const [, json] = text.split('data: ')
    const data = JSON.parse(json ?? '') as { jti?: string; before?: string }
    return data.jti === token.id || (data.before ?? '') > toRfc3339(token.issuedAt)
  })
}

describe('promise 3: an exchange on a replica whose clock is right, and one whose clock is 90 s behind', () => {
  /** Holds the commit of that type back until something else was done, on the other replica. */
  function meanwhile(type: string, act: () => Promise<unknown>): void {
    const { journal } = house.ports
    let isDone = false
    const late: Journal = {
      commit: async (commit) => {
        if (isDone || commit.leaf.type !== type) return journal.commit(commit)
        isDone = true
        house.clock.advance(BEHIND)
        await act()
        house.clock.advance(-BEHIND)
        return journal.commit(commit)
      },
    }
    Object.assign(house.ports, { journal: late })
  }

  it('that suspends the agent: the token is dead, and stays dead when the agent is resumed', async () => {
    const tokens: string[] = []
    meanwhile('agent.suspended', async () => tokens.push((await house.start(bot, task)).accessToken))
    await behind(() => suspendAgent(house.ports, admin(), agent))
    house.clock.advance(2 * SECOND)
    await resumeAgent(house.ports, admin(), agent)
    for (const token of tokens) expect(await house.introspect(billing, token)).toEqual({ active: false })
    expect(tokens).toHaveLength(1)
  })

  it('that retires the agent: the token is dead', async () => {
    const tokens: string[] = []
    meanwhile('agent.retired', async () => tokens.push((await house.start(bot, task)).accessToken))
    await behind(() => retireAgent(house.ports, admin(), agent))
    for (const token of tokens) expect(await house.introspect(billing, token)).toEqual({ active: false })
    expect(tokens).toHaveLength(1)
  })

  it('that revokes the subject: the token is dead', async () => {
    const tokens: string[] = []
    meanwhile('credential.revoked', async () => tokens.push((await house.start(bot, task)).accessToken))
    const request = { handle: 'subject', value: bot.spiffeId, reason: 'unspecified' } as const
    await behind(() => revoke(house.ports, admin(), request))
    for (const token of tokens) expect(await house.introspect(billing, token)).toEqual({ active: false })
    expect(tokens).toHaveLength(1)
  })

  it('with a thousand tokens from before the clock was set back: they are reached', async () => {
    const { accessToken } = await house.start(bot, task)
    const [row] = house.store.all('TaskToken')
    if (row === undefined) throw new TypeError('no token')
    const now = house.clock.now()
    for (let count = 0; count < 1200; count++) {
      const jti = `tok_0${String(count).padStart(5, '0')}`
      const issuedAt = after(now, -(count + 1))
      house.store.seed('TaskToken', { ...row, jti, issuedAt, statusIndex: 10_000 + count })
    }
    const request = { handle: 'subject', value: bot.spiffeId, reason: 'unspecified' } as const
    await behind(() => revoke(house.ports, admin(), request))
    expect(await house.introspect(billing, accessToken)).toEqual({ active: false })
  })
})
