import type { Caller } from '#authentication/index.ts'
import type { AdoptionRecord } from '#authority/index.ts'
import type { Clock } from '#kernel/clock.ts'
import type { Adoptions } from './ports.ts'

/** More instances than one replica hears of between two flushes; the report of one more waits for its next call. */
const MOST_WAITING = 50_000
/** How many rows go into one statement. */
const AT_ONCE = 1_000

export interface AdoptionReportPorts {
  readonly adoptions: Adoptions
  readonly clock: Clock
}

/**
 * Which trust the callers of this replica hold. A call costs one entry of a map; every few seconds the newest report of
 * each instance goes to the store. It is telemetry and has no leaf (decision 0022).
 */
export class AdoptionReports {
  readonly #ports: AdoptionReportPorts
  #waiting = new Map<string, AdoptionRecord>()

  constructor(ports: AdoptionReportPorts) {
    this.#ports = ports
  }

  /** `sequence` is null when the caller did not say. Whoever has no certificate of ours adopts nothing. */
  note(caller: Caller, sequence: number | null): void {
    const { identity } = caller
    const holder = identity.kind === 'agent' ? identity : identity.kind === 'principal' ? identity.holder : null
    if (holder === null) return
    const { agent, instance, certificate } = holder
    if (this.#waiting.size >= MOST_WAITING && !this.#waiting.has(instance.id)) return
    this.#waiting.set(instance.id, {
      instance: instance.id,
      agent: agent.id,
      authority: certificate.authority,
      sequence: sequence ?? 0,
      seenAt: this.#ports.clock.now(),
    })
  }

  /** What the store does not take is kept for the next time, unless something newer was heard. @throws STORE_… */
  async flush(): Promise<void> {
    const rows = [...this.#waiting.values()]
    this.#waiting = new Map()
    for (let first = 0; first < rows.length; first += AT_ONCE) {
      try {
        await this.#ports.adoptions.report(rows.slice(first, first + AT_ONCE))
      } catch (error) {
        this.#waiting = new Map([...rows.slice(first).map((row) => [row.instance, row] as const), ...this.#waiting])
        throw error
      }
    }
  }
}
