import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { completeTask } from '#flows/complete-task.ts'
import type { Journal, Reader } from '#flows/ports.ts'
import { revokeToken } from '#flows/revoke-token.ts'
import { suspendTask } from '#flows/suspend-task.ts'
import { resumeTask } from '#flows/resume-task.ts'
import { isWritError } from '#kernel/errors.ts'
import { TaskHouse, type Copy } from '../support/task-house.ts'
import { Turns } from '../support/turns.ts'

const STEPS = [
  'start',
  'narrow-parent',
  'narrow-child',
  'revoke-parent',
  'revoke-child',
  'complete',
  'suspend',
  'resume',
] as const
type Step = (typeof STEPS)[number]

/** What must be dead, from the moment on at which somebody was told so. */
type Told = 'parent' | 'child' | 'all'

/** Refusals that a race may end with; anything else is a mistake of ours. */
const REFUSALS = new Set([
  'SUBJECT_TOKEN_DEAD',
  'TASK_CHANGED',
  'TASK_COMPLETED',
  'TASK_SUSPENDED',
  'ISSUANCE_PAUSED',
  'TASK_TRANSITION_INVALID',
])

/** A token with the chain above it, itself included. */
interface Obtained {
  readonly token: string
  readonly chain: ReadonlySet<string>
  /** What was told already when it was asked for. */
  readonly begun: readonly Told[]
}

class Race {
  readonly house: TaskHouse
  readonly bot: Copy
  readonly billing: Copy
  readonly task: string
  readonly parent: string
  readonly child: string
  readonly told = new Set<Told>()
  readonly obtained: Obtained[] = []
  suspended = false

  private constructor(
    house: TaskHouse,
    copies: { bot: Copy; billing: Copy },
    tokens: { task: string; parent: string; child: string },
  ) {
    this.house = house
    this.bot = copies.bot
    this.billing = copies.billing
    this.task = tokens.task
    this.parent = tokens.parent
    this.child = tokens.child
  }

  static async begin(): Promise<Race> {
    const house = await TaskHouse.build()
    const bot = house.addAgent('invoice-bot')
    const billing = house.addAgent('billing')
    const task = (await house.open(bot)).id
    const parent = (await house.start(bot, task)).accessToken
    const child = (await house.narrow(bot, parent)).accessToken
    const race = new Race(house, { bot, billing }, { task, parent, child })
    race.keep(parent, [])
    race.keep(child, [])
    return race
  }

  keep(token: string, begun: readonly Told[]): void {
    const { id } = this.house.claims(token)
    const row = this.house.store.all('TaskToken').find(({ jti }) => jti === id)
    this.obtained.push({ token, chain: new Set([id, ...(row?.ancestors ?? [])]), begun })
  }

  async run(step: Step): Promise<void> {
    const { house, bot } = this
    const owner = house.principal('team-billing')
    const caller = house.caller(bot)
    switch (step) {
      case 'start':
        return this.#obtain(() => house.start(bot, this.task), ['all'])
      case 'narrow-parent':
        return this.#obtain(() => house.narrow(bot, this.parent), ['all', 'parent'])
      case 'narrow-child':
        return this.#obtain(() => house.narrow(bot, this.child), ['all', 'parent', 'child'])
      case 'revoke-parent':
        return this.#end('parent', () => revokeToken(house.ports, caller, { token: this.parent }))
      case 'revoke-child':
        return this.#end('child', () => revokeToken(house.ports, caller, { token: this.child }))
      case 'complete':
        return this.#end('all', () => completeTask(house.ports, caller, this.task))
      case 'suspend':
        await suspendTask(house.ports, owner, this.task)
        this.suspended = true
        return
      case 'resume':
        await resumeTask(house.ports, owner, this.task)
        return
    }
  }

  async #end(told: Told, end: () => Promise<unknown>): Promise<void> {
    await end()
    this.told.add(told)
  }

  async #obtain(exchange: () => Promise<{ accessToken: string }>, deadly: readonly Told[]): Promise<void> {
    const begun = deadly.filter((told) => this.told.has(told))
    const { accessToken } = await exchange()
    this.keep(accessToken, begun)
  }

  isDead({ chain }: Obtained): boolean {
    const [parent, child] = [this.parent, this.child].map((token) => this.house.claims(token).id)
    const isBelow = (jti: string | undefined, told: Told) => this.told.has(told) && jti !== undefined && chain.has(jti)
    return this.told.has('all') || isBelow(parent, 'parent') || isBelow(child, 'child')
  }
}

/** Reads and commits take effect, and are answered, in an order that the seed decides. */
function scheduled(race: Race, turns: Turns): void {
  const turn = () => turns.turn()
  const { store } = race.house
  const around = async <Answer>(act: () => Promise<Answer>): Promise<Answer> => {
    await turn()
    try {
      return await act()
    } finally {
      await turn()
    }
  }
  const reader: Reader = {
    find: (table, where) => around(() => store.find(table, where)),
    list: (table, query) => around(() => store.list(table, query)),
  }
  const journal: Journal = { commit: (commit) => around(() => store.commit(commit)) }
  Object.assign(race.house.ports, { reader, journal })
}

/** The log has the order in which things happened: nothing may be issued behind the end of what it rests on. */
function issuedBehindItsEnd(race: Race): readonly string[] {
  const dead = new Set<string>()
  const late: string[] = []
  const ancestors = new Map(race.house.store.all('TaskToken').map((row) => [`token:${row.jti}`, row.ancestors]))
  for (const { draft } of race.house.store.leaves) {
    if (draft.decision !== 'permit') continue
    if (['task.completed', 'task.suspended'].includes(draft.type)) dead.add('task')
    if (draft.type === 'token.revoked') dead.add(draft.object)
    if (draft.type !== 'token.issued') continue
    const above = ['task', ...(ancestors.get(draft.object) ?? []).map((jti) => `token:${jti}`)]
    if (above.some((object) => dead.has(object))) late.push(draft.object)
  }
  return late
}

async function settle(race: Race, step: Step): Promise<void> {
  try {
    await race.run(step)
  } catch (error) {
    if (!isWritError(error) || !REFUSALS.has(error.code)) throw error
  }
}

describe('promise 3: under any interleaving', () => {
  it(
    'no token is valid once its end was acknowledged, and none is issued afterwards',
    { timeout: 120_000 },
    async () => {
      const steps = fc.array(fc.constantFrom(...STEPS), { minLength: 3, maxLength: 7 })
      await fc.assert(
        fc.asyncProperty(fc.integer(), steps, async (seed, order) => {
          const race = await Race.begin()
          const { reader, journal } = race.house.ports
          const turns = new Turns(seed)
          scheduled(race, turns)
          const running = Promise.all(order.map((step) => settle(race, step)))
          await turns.drive(running)
          Object.assign(race.house.ports, { reader, journal })
          for (const one of race.obtained) {
            expect(one.begun).toEqual([])
            const { active } = await race.house.introspect(race.billing, one.token)
            if (race.isDead(one)) expect(active).toBe(false)
          }
          expect(issuedBehindItsEnd(race)).toEqual([])
          // What was issued is what is on record.
          expect(race.obtained).toHaveLength(race.house.store.all('TaskToken').length)
        }),
        { numRuns: 1000 },
      )
    },
  )

  it('suspending kills every token that there is, and resuming brings none back', { timeout: 120_000 }, async () => {
    const steps = fc.array(fc.constantFrom<Step>('start', 'narrow-parent', 'narrow-child', 'resume'), {
      minLength: 3,
      maxLength: 7,
    })
    await fc.assert(
      fc.asyncProperty(fc.integer(), steps, async (seed, order) => {
        const race = await Race.begin()
        const { reader, journal } = race.house.ports
        const turns = new Turns(seed)
        scheduled(race, turns)
        await turns.drive(Promise.all(['suspend' as const, ...order].map((step) => settle(race, step))))
        Object.assign(race.house.ports, { reader, journal })
        expect(race.suspended).toBe(true)
        expect(issuedBehindItsEnd(race)).toEqual([])
        await settle(race, 'resume')
        for (const { token } of race.obtained) {
          expect(await race.house.introspect(race.billing, token)).toEqual({ active: false })
        }
      }),
      { numRuns: 200 },
    )
  })
})
