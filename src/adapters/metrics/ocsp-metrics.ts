import { Counter, type Registry } from 'prom-client'

/** What is asked about certificates and what is answered. Labels are hashes and statuses, never serial numbers. */
export class OcspMetrics {
  readonly #asked: Counter<'hash'>
  readonly #answered: Counter<'status' | 'from'>
  readonly #failed: Counter

  constructor(registry: Registry) {
    const registers = [registry]
    this.#asked = new Counter({
      name: 'writ_ocsp_certificates_asked_total',
      help: 'Certificates asked for by OCSP, by the hash that names their issuer; SHA-1 goes when nobody uses it any more.',
      labelNames: ['hash'],
      registers,
    })
    this.#answered = new Counter({
      name: 'writ_ocsp_answers_total',
      help: 'What was answered by OCSP, and whether it was signed, kept from before, or refused.',
      labelNames: ['status', 'from'],
      registers,
    })
    this.#failed = new Counter({
      name: 'writ_ocsp_failures_total',
      help: 'Times that an OCSP answer could not be made: store, key or responder were away.',
      registers,
    })
  }

  asked(hash: string): void {
    this.#asked.inc({ hash })
  }

  answered(status: string, from: string): void {
    this.#answered.inc({ status, from })
  }

  failed(): void {
    this.#failed.inc()
  }
}
