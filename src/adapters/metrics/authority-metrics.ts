import { Gauge, type Registry } from 'prom-client'

/** What of an authority is measured; see AuthorityRecord, which has these members. */
export interface MeasuredAuthority {
  readonly kind: string
  readonly state: string
}

/** How far the authorities are, and how many trust them. Labels are kinds and states. */
export class AuthorityMetrics {
  readonly #phase: Gauge<'kind' | 'state'>
  readonly #adoption: Gauge

  constructor(registry: Registry) {
    const registers = [registry]
    this.#phase = new Gauge({
      name: 'writ_authority_phase',
      help: 'How many authorities of a kind are in a state; retired ones are not counted.',
      labelNames: ['kind', 'state'],
      registers,
    })
    this.#adoption = new Gauge({
      name: 'writ_bundle_adoption_ratio',
      help: 'The part of the living instances that hold the bundle as it is now; the replica that measures says it.',
      registers,
    })
    this.adoption(null)
  }

  phases(authorities: readonly MeasuredAuthority[]): void {
    this.#phase.reset()
    for (const { kind, state } of authorities) if (state !== 'retired') this.#phase.inc({ kind, state })
  }

  /** Null where this replica does not know. */
  adoption(ratio: number | null): void {
    this.#adoption.set(ratio ?? Number.NaN)
  }
}
