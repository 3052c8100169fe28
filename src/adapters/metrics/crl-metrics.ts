import { Counter, Gauge, type Registry } from 'prom-client'

/** See CrlHealth of the flows, which has these members. */
export interface MeasuredCrls {
  readonly authority: string
  readonly oldest: number | null
  readonly entries: number
  readonly bytes: number
}

/** The CRLs, as the replica sees them that publishes them; the others say nothing of them. */
export class CrlMetrics {
  readonly #issued: Gauge<'authority'>
  readonly #entries: Gauge<'authority'>
  readonly #bytes: Gauge<'authority'>
  readonly #failures: Counter<'authority'>

  constructor(registry: Registry) {
    const common = { labelNames: ['authority'] as const, registers: [registry] }
    this.#issued = new Gauge({
      ...common,
      name: 'writ_crl_oldest_issued_seconds',
      help: 'When the oldest CRL of an authority was issued, in seconds since 1970; 0 while one is missing.',
    })
    this.#entries = new Gauge({
      ...common,
      name: 'writ_crl_entries',
      help: 'Certificates that the CRLs of an authority list.',
    })
    this.#bytes = new Gauge({ ...common, name: 'writ_crl_bytes', help: 'Octets of all CRLs of an authority.' })
    this.#failures = new Counter({
      ...common,
      name: 'writ_crl_failures_total',
      help: 'Rounds in which the CRLs of an authority could not be published.',
    })
  }

  /** All authorities that issue CRLs now; an empty list where another replica publishes them. */
  state(all: readonly MeasuredCrls[]): void {
    for (const gauge of [this.#issued, this.#entries, this.#bytes]) gauge.reset()
    for (const { authority, oldest, entries, bytes } of all) {
      this.#issued.set({ authority }, (oldest ?? 0) / 1000)
      this.#entries.set({ authority }, entries)
      this.#bytes.set({ authority }, bytes)
    }
  }

  failed(authority: string): void {
    this.#failures.inc({ authority })
  }
}
