import { Counter, Gauge, type Registry } from 'prom-client'

/** See CrlHealth of the flows, which has these members. */
export interface MeasuredCrls {
  readonly authority: string
  readonly oldest: number | null
  readonly entries: number
  readonly bytes: number
}

/** See RootCoverage of the flows, which has these members. */
export interface MeasuredRoot {
  readonly authority: string
  readonly until: number | null
}

/** The CRLs, as the replica sees them that publishes them; the others say nothing of them. */
export class CrlMetrics {
  readonly #issued: Gauge<'authority'>
  readonly #entries: Gauge<'authority'>
  readonly #bytes: Gauge<'authority'>
  readonly #covered: Gauge<'authority'>
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
    this.#covered = new Gauge({
      ...common,
      name: 'writ_root_crl_covered_until_seconds',
      help: 'When the CRLs run out that ceremonies have made for a root, in seconds since 1970; 0 while there is none, or the last one has run out.',
    })
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

  /** All roots that only ceremonies open; an empty list where another replica watches them. */
  covered(all: readonly MeasuredRoot[]): void {
    this.#covered.reset()
    for (const { authority, until } of all) this.#covered.set({ authority }, (until ?? 0) / 1000)
  }

  failed(authority: string): void {
    this.#failures.inc({ authority })
  }
}
