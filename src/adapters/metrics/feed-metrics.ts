import { Counter, Gauge, type Registry } from 'prom-client'

/** How the feed fares; the observer of the feed has this form. */
export class FeedMetrics {
  readonly #open: Gauge
  readonly #sent: Counter
  readonly #lag: Gauge

  constructor(registry: Registry) {
    const registers = [registry]
    this.#open = new Gauge({ name: 'writ_feed_streams', help: 'Open streams of the feed on this replica.', registers })
    this.#sent = new Counter({
      name: 'writ_feed_frames_total',
      help: 'Frames that streams of the feed have been sent.',
      registers,
    })
    this.#lag = new Gauge({
      name: 'writ_outbox_lag_seconds',
      help: 'Age of the oldest event that has no position yet; above 2 there are no heartbeats.',
      registers,
    })
  }

  streams(open: number): void {
    this.#open.set(open)
  }

  sent(frames: number): void {
    this.#sent.inc(frames)
  }

  /** Milliseconds. */
  lag(length: number): void {
    this.#lag.set(length / 1000)
  }
}
