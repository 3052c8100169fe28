import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Journal, Reader } from '#flows/ports.ts'
import { revoke } from '#flows/revoke/revoke.ts'
import { isWritError } from '#kernel/errors.ts'
import type { RevocationHandle } from '#revocation/index.ts'
import { spkiHashOf, TaskHouse, type Copy } from '../support/task-house.ts'
import { Turns } from '../support/turns.ts'

const HANDLES = ['certificate', 'instance', 'agent', 'lineage', 'key', 'task', 'token', 'subject', 'authority'] as const
const STEPS = ['start', 'narrow'] as const

/** Refusals that such a race may end with; anything else is a mistake of ours. */
const REFUSALS = new Set([
  'SUBJECT_TOKEN_DEAD',
  'TASK_CHANGED',
  'TASK_REVOKED',
  'STANDING_CHANGED',
  'CUT_OFF',
  'ISSUANCE_PAUSED',
])

/** Reads and commits take effect, and are answered, in an order that the seed decides. */
function scheduled(house: TaskHouse, turns: Turns): void {
  const around = async <Answer>(act: () => Promise<Answer>): Promise<Answer> => {
    await turns.turn()
    try {
      return await act()
    } finally {
      await turns.turn()
    }
  }
  const { store } = house
  const reader: Reader = {
    find: (table, where) => around(() => store.find(table, where)),
    list: (table, query) => around(() => store.list(table, query)),
  }
  const journal: Journal = { commit: (commit) => around(() => store.commit(commit)) }
  Object.assign(house.ports, { reader, journal })
}

interface Scene {
  readonly house: TaskHouse
  readonly bot: Copy
  readonly billing: Copy
  readonly task: string
  readonly parent: string
}

async function begin(): Promise<Scene> {
  const house = await TaskHouse.build()
  const bot = house.addAgent('invoice-bot')
  const billing = house.addAgent('billing')
  house.store.seed('Authority', {
    id: 'aut_x509',
    kind: 'x509',
    algorithm: 'ES256',
    keyReference: 'software:x',
    publicKey: new Uint8Array(1),
    kid: 'x',
    certificate: null,
    issuer: null,
    state: 'active',
    notBefore: house.clock.now(),
    notAfter: house.clock.now(),
    version: 1,
    createdAt: house.clock.now(),
    publishedAt: null,
    activatedAt: null,
    retiredAt: null,
  })
  const task = (await house.open(bot)).id
  return { house, bot, billing, task, parent: (await house.start(bot, task)).accessToken }
}

/** What of the bot's a handle names. */
function valueOf({ house, bot, task, parent }: Scene, handle: RevocationHandle): string {
  const certificate = house.store.all('Certificate').find(({ serial }) => serial === bot.serial)
  const values: Partial<Record<RevocationHandle, string | null | undefined>> = {
    certificate: bot.serial,
    instance: bot.instance,
    agent: 'invoice-bot',
    lineage: certificate?.lineage,
    authority: certificate?.authority,
    task,
    token: house.claims(parent).id,
    subject: bot.spiffeId,
  }
  return values[handle] ?? spkiHashOf(bot.serial)
}

describe('promise 3: whatever is asked for while it is being revoked, by any handle', () => {
  it('is refused, or dead with it', { timeout: 240_000 }, async () => {
    const steps = fc.array(fc.constantFrom(...STEPS), { minLength: 1, maxLength: 4 })
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...HANDLES), fc.integer(), steps, async (handle, seed, order) => {
        const scene = await begin()
        const { house, bot, billing, task, parent } = scene
        const { reader, journal } = house.ports
        const turns = new Turns(seed)
        const tokens = [parent]
        scheduled(house, turns)
        const admin = house.principal('local:1000', 'admin')
        const request = { handle, value: valueOf(scene, handle), reason: 'key_compromise' } as const
        const ask = async (step: (typeof STEPS)[number]) => {
          try {
            tokens.push((await (step === 'start' ? house.start(bot, task) : house.narrow(bot, parent))).accessToken)
          } catch (error) {
            if (!isWritError(error) || !REFUSALS.has(error.code)) throw error
          }
        }
        await turns.drive(Promise.all([revoke(house.ports, admin, request), ...order.map(ask)]))
        Object.assign(house.ports, { reader, journal })
        for (const token of tokens) {
          const row = house.store.all('TaskToken').find(({ jti }) => jti === house.claims(token).id)
          const isBelow = row?.ancestors.includes(house.claims(parent).id) ?? false
          const below = handle !== 'token' || token === parent || isBelow
          if (below) expect(await house.introspect(billing, token), handle).toEqual({ active: false })
        }
        // And nothing more comes of it.
        await expect(house.narrow(bot, parent)).rejects.toThrow()
      }),
      { numRuns: 1000 },
    )
  })
})
