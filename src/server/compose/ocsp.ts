import type { JsonLog } from '#adapters/log/index.ts'
import type { Metrics } from '#adapters/metrics/index.ts'
import { OcspResponder } from '#flows/ocsp/responder.ts'
import { isWritError } from '#kernel/errors.ts'
import { SECOND, type Milliseconds } from '#kernel/instant.ts'
import type { ServerPorts } from './ports.ts'

/** Anybody may ask at any rate; the log hears of the same trouble no more often than this. */
const REMINDER: Milliseconds = 10 * SECOND

/** The responder, measured; an operator hears why it cannot answer. */
export function ocspResponderOf(ports: ServerPorts, metrics: Metrics, log: JsonLog): OcspResponder {
  const said = new Map<string, Milliseconds>()
  const observer = {
    asked: (hash: string) => {
      metrics.ocsp.asked(hash)
    },
    answered: (status: string, from: string) => {
      metrics.ocsp.answered(status, from)
    },
    failed: (error: unknown) => {
      metrics.ocsp.failed()
      const code = isWritError(error) ? error.code : 'INTERNAL_ERROR'
      const now = ports.clock.monotonic()
      if (now < (said.get(code) ?? -Infinity) + REMINDER) return
      said.set(code, now)
      log.error('ocsp.failed', error)
    },
  }
  return new OcspResponder({ ...ports, observer })
}
