import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { resumeAgent, suspendAgent } from '#flows/admin/agent-state.ts'
import { revoke } from '#flows/revoke/revoke.ts'
import { suspendTask } from '#flows/suspend-task.ts'
import { resumeTask } from '#flows/resume-task.ts'
import type { RevocationHandle } from '#revocation/index.ts'
import { FeedHouse, told } from '../support/feed-house.ts'
import type { Copy } from '../support/task-house.ts'

const AGENTS = ['alpha', 'beta'] as const
const ACTS = [
  'token',
  'task',
  'subject',
  'instance',
  'certificate',
  'key',
  'suspend-agent',
  'resume-agent',
  'suspend-task',
  'resume-task',
  'start',
  'settle',
  'settle',
] as const

const steps = fc.array(fc.record({ act: fc.constantFrom(...ACTS), which: fc.constantFrom(...AGENTS) }), {
  minLength: 3,
  maxLength: 25,
})

type Act = (typeof ACTS)[number]

/** What is refused, since it was done before, is no event; everything else is one. */
class Doings {
  readonly #house: FeedHouse
  readonly #copies = new Map<string, Copy>()
  readonly #tasks = new Map<string, string>()
  readonly #tokens = new Map<string, string>()

  constructor(house: FeedHouse) {
    this.#house = house
  }

  async begin(): Promise<this> {
    for (const name of AGENTS) {
      const copy = this.#house.tasks.addAgent(name)
      this.#copies.set(name, copy)
      this.#tasks.set(name, (await this.#house.tasks.open(copy)).id)
      await this.#start(name)
    }
    return this
  }

  async do(act: Act, name: string): Promise<void> {
    if (act === 'settle') return this.#house.settle()
    await this.#try(act, name).catch((error: unknown) => {
      if (!(error instanceof Error && 'code' in error)) throw error
    })
  }

  async #start(name: string): Promise<void> {
    const { tasks } = this.#house
    const answer = await tasks.start(this.#copy(name), this.#tasks.get(name) ?? '')
    this.#tokens.set(name, tasks.claims(answer.accessToken).id)
  }

  #copy(name: string): Copy {
    const copy = this.#copies.get(name)
    if (copy === undefined) throw new TypeError(name)
    return copy
  }

  async #try(act: Exclude<Act, 'settle'>, name: string): Promise<unknown> {
    const { tasks } = this.#house
    const [admin, copy, task] = [tasks.principal('local:1000', 'admin'), this.#copy(name), this.#tasks.get(name) ?? '']
    const take = (handle: RevocationHandle, value: string) =>
      revoke(tasks.ports, admin, { handle, value, reason: 'unspecified' })
    const certificate = tasks.store.all('Certificate').find(({ serial }) => serial === copy.serial)
    const acts: Record<typeof act, () => Promise<unknown>> = {
      token: () => take('token', this.#tokens.get(name) ?? ''),
      task: () => take('task', task),
      subject: () => take('subject', copy.spiffeId),
      instance: () => take('instance', copy.instance),
      certificate: () => take('certificate', copy.serial),
      key: () => take('key', certificate?.spkiHash ?? ''),
      'suspend-agent': () => suspendAgent(tasks.ports, admin, { name }),
      'resume-agent': () => resumeAgent(tasks.ports, admin, { name }),
      'suspend-task': () => suspendTask(tasks.ports, admin, task),
      'resume-task': () => resumeTask(tasks.ports, admin, task),
      start: () => this.#start(name),
    }
    return acts[act]()
  }
}

describe('the feed', () => {
  it('promise 6: a reader who comes back with any id hears exactly what it has missed, in the same order', async () => {
    await fc.assert(
      fc.asyncProperty(steps, async (done) => {
        const house = await FeedHouse.build()
        const doings = await new Doings(house).begin()
        await house.settle()
        const first = await house.open()
        for (const { act, which } of done) await doings.do(act, which)
        await house.settle()
        first.close()
        for (const [index, { id }] of first.heard.entries()) {
          if (id === null) continue
          const again = await house.open(id)
          expect(told(again.heard)).toEqual(told(first.heard.slice(index + 1)))
          again.close()
        }
        expect(house.failures).toEqual([])
        await house.close()
      }),
      { numRuns: 40 },
    )
  })

  it('promise 6: who begins anew is told at least of everything that is still in force', async () => {
    await fc.assert(
      fc.asyncProperty(steps, async (done) => {
        const house = await FeedHouse.build()
        const doings = await new Doings(house).begin()
        await house.settle()
        const first = await house.open()
        for (const { act, which } of done) await doings.do(act, which)
        await house.settle()
        const anew = await house.open()
        // Cutoffs only rise, so the last word on each thing is what counts.
        expect(new Set(told(anew.heard))).toEqual(new Set([...told(anew.heard), ...lastWords(told(first.heard))]))
        await house.close()
      }),
      { numRuns: 40 },
    )
  })
})

function lastWords(lines: readonly string[]): readonly string[] {
  const topic = (line: string): string => {
    const { kind, value, spiffe_id: agent } = JSON.parse(line.slice(line.indexOf(' ') + 1)) as Record<string, string>
    if (kind !== undefined) return `${kind} ${value ?? ''}`
    return agent ?? line
  }
  return [...new Map(lines.map((line) => [topic(line), line])).values()]
}
