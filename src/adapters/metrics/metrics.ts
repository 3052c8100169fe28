import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'
import { AuthorityMetrics } from './authority-metrics.ts'
import { CrlMetrics } from './crl-metrics.ts'
import { FeedMetrics } from './feed-metrics.ts'
import { KeyMetrics } from './key-metrics.ts'
import { OcspMetrics } from './ocsp-metrics.ts'

/** What of a request is measured; see RequestEntry of the API, which has these members. */
export interface MeasuredRequest {
  readonly method: string
  readonly route: string
  readonly status: number
  /** Milliseconds. */
  readonly duration: number
  readonly code: string | null
}

const BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10]

/** Rate, errors and duration of each route, and how the process fares. Labels are patterns and codes, never names. */
export class Metrics {
  readonly #registry = new Registry()
  readonly keys = new KeyMetrics(this.#registry)
  readonly crls = new CrlMetrics(this.#registry)
  readonly ocsp = new OcspMetrics(this.#registry)
  readonly feed = new FeedMetrics(this.#registry)
  readonly authorities = new AuthorityMetrics(this.#registry)
  readonly #duration: Histogram<'method' | 'route' | 'status'>
  readonly #refused: Counter<'method' | 'route' | 'code'>
  readonly #failedDuties: Counter<'duty'>
  readonly #certificateExpiry: Gauge

  constructor() {
    const registers = [this.#registry]
    collectDefaultMetrics({ register: this.#registry })
    this.#duration = new Histogram({
      name: 'writ_http_request_duration_seconds',
      help: 'How long requests took, by route and status.',
      labelNames: ['method', 'route', 'status'],
      buckets: BUCKETS,
      registers,
    })
    this.#refused = new Counter({
      name: 'writ_http_refusals_total',
      help: 'Requests that were refused or failed, by route and error code.',
      labelNames: ['method', 'route', 'code'],
      registers,
    })
    this.#failedDuties = new Counter({
      name: 'writ_duty_failures_total',
      help: 'Runs of a periodic duty that failed.',
      labelNames: ['duty'],
      registers,
    })
    this.#certificateExpiry = new Gauge({
      name: 'writ_server_certificate_expiry_seconds',
      help: 'When the certificate of the server expires, in seconds since 1970.',
      registers,
    })
  }

  observe(entry: MeasuredRequest): void {
    const { method, route, code } = entry
    this.#duration.observe({ method, route, status: entry.status }, entry.duration / 1000)
    if (code !== null) this.#refused.inc({ method, route, code })
  }

  dutyFailed(duty: string): void {
    this.#failedDuties.inc({ duty })
  }

  certificateExpires(seconds: number): void {
    this.#certificateExpiry.set(seconds)
  }

  /** Prometheus text format. */
  text(): Promise<string> {
    return this.#registry.metrics()
  }
}
