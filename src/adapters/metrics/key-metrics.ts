import { Counter, Gauge, Histogram, type Registry } from 'prom-client'

const BUCKETS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5, 20]

/** How the keys in hardware fare. Labels are the names of tokens in the configuration, outcomes and rungs. */
export class KeyMetrics {
  readonly #duration: Histogram<'token' | 'outcome'>
  readonly #recoveries: Counter<'token' | 'rung' | 'result'>
  readonly #up: Gauge<'token'>

  constructor(registry: Registry) {
    const registers = [registry]
    this.#duration = new Histogram({
      name: 'writ_key_signature_duration_seconds',
      help: 'Signatures by keys in tokens, by outcome: made, made-again after a recovery, wrong, failed, refused.',
      labelNames: ['token', 'outcome'],
      buckets: BUCKETS,
      registers,
    })
    this.#recoveries = new Counter({
      name: 'writ_key_recoveries_total',
      help: 'Attempts to bring a token back, by rung of the ladder: session, login, rebuild.',
      labelNames: ['token', 'rung', 'result'],
      registers,
    })
    this.#up = new Gauge({
      name: 'writ_key_token_up',
      help: '1 while the token signs, 0 while it is being recovered or the breaker is open.',
      labelNames: ['token'],
      registers,
    })
  }

  signature(token: string, outcome: string, milliseconds: number): void {
    this.#duration.observe({ token, outcome }, milliseconds / 1000)
  }

  recovery(token: string, rung: string, succeeded: boolean): void {
    this.#recoveries.inc({ token, rung, result: succeeded ? 'helped' : 'failed' })
  }

  state(token: string, state: string): void {
    this.#up.set({ token }, state === 'up' ? 1 : 0)
  }
}
