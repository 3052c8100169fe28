import { fork, type ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Arrival } from './agent.ts'
import { FLAGS, type Role, type SoakServer } from './server.ts'
import type { Sightings } from './sightings.ts'
import type { World } from './traffic.ts'
import type { Order, Standing } from './worker.ts'

const WORKER = fileURLToPath(new URL('worker.ts', import.meta.url))

type Answer = { readonly seen: Sightings } | { readonly id: number; readonly value?: unknown; readonly error?: string }

interface Waiting {
  readonly resolve: (value: unknown) => void
  readonly reject: (error: Error) => void
}

/** One process with agents in it, from outside. */
class Worker {
  readonly #child: ChildProcess
  readonly #waiting = new Map<number, Waiting>()
  #last = 0

  constructor(seen: (sightings: Sightings) => void) {
    this.#child = fork(WORKER, { execArgv: [...FLAGS], serialization: 'advanced' })
    this.#child.on('message', (answer: Answer) => {
      if ('seen' in answer) seen(answer.seen)
      else this.#answered(answer)
    })
    this.#child.once('exit', (code) => {
      for (const { reject } of this.#waiting.values()) reject(new TypeError(`a worker ended with ${String(code)}`))
    })
  }

  tell(order: Order): Promise<unknown> {
    const id = ++this.#last
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject })
      this.#child.send({ id, order }, (error) => {
        if (error !== null) reject(error)
      })
    })
  }

  #answered({ id, value, error }: { readonly id: number; readonly value?: unknown; readonly error?: string }): void {
    const waiting = this.#waiting.get(id)
    this.#waiting.delete(id)
    if (error === undefined) waiting?.resolve(value)
    else waiting?.reject(new TypeError(error))
  }
}

export interface Crew {
  /** Processes. */
  readonly workers: number
  /** How often everybody looks for a newer bundle, in milliseconds. */
  readonly looksEvery: number
}

/** All agents of the soak, spread over processes. */
export class Fleet {
  readonly #workers: readonly Worker[]
  readonly #server: SoakServer
  readonly #looksEvery: number
  #arrived = 0

  constructor(server: SoakServer, { workers, looksEvery }: Crew, seen: (sightings: Sightings) => void) {
    this.#server = server
    this.#looksEvery = looksEvery
    this.#workers = Array.from({ length: workers }, () => new Worker(seen))
  }

  /** Enrolls them; answers where they listen. */
  async enroll(agents: number): Promise<readonly string[]> {
    const urls: string[] = []
    for (let number = 0; number < agents; number++) {
      urls.push((await this.#worker(number).tell({ do: 'enroll', arrival: await this.arrival('soak') })) as string)
    }
    return urls
  }

  /** With a server each, in turn. */
  async arrival(role: Role): Promise<Arrival> {
    const origin = this.#server.originOf(this.#arrived++)
    return { origin, joinToken: await this.#server.joinToken(role), looksEvery: this.#looksEvery }
  }

  async begin(world: World): Promise<void> {
    await this.#all({ do: 'begin', world })
  }

  async standings(): Promise<readonly Standing[]> {
    return (await this.#all({ do: 'standing' })).flat() as Standing[]
  }

  /** Everything has ended that had begun. */
  async settled(): Promise<void> {
    await this.#all({ do: 'settle' })
  }

  async renewAll(): Promise<void> {
    await this.#all({ do: 'renew' })
  }

  async steal(label: string): Promise<void> {
    await this.#all({ do: 'steal', label })
  }

  async attack(order: Omit<Extract<Order, { readonly do: 'attack' }>, 'do'>): Promise<void> {
    await this.#all({ do: 'attack', ...order })
  }

  /** An agent of which nothing is wanted but that it dies: answers its instance. */
  async victim(): Promise<string> {
    return (await this.#worker(0).tell({ do: 'victim', arrival: await this.arrival('soak') })) as string
  }

  async tryVictim(since: number): Promise<void> {
    await this.#worker(0).tell({ do: 'try-victim', since })
  }

  async end(): Promise<void> {
    await Promise.allSettled(this.#workers.map((worker) => worker.tell({ do: 'end' })))
  }

  #worker(number: number): Worker {
    const worker = this.#workers[number % this.#workers.length]
    if (worker === undefined) throw new TypeError('there is no worker')
    return worker
  }

  #all(order: Order): Promise<readonly unknown[]> {
    return Promise.all(this.#workers.map((worker) => worker.tell(order)))
  }
}
