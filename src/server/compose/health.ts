import type { Metrics } from '#adapters/metrics/index.ts'
import type { Health } from '#api/http/index.ts'
import { isWritError, type WritError } from '#kernel/errors.ts'
import { SECOND, type Milliseconds } from '#kernel/instant.ts'
import { serverError } from '../errors.ts'
import type { ServerPorts } from './ports.ts'

/** A probe that takes longer than this has its answer. */
const PATIENCE: Milliseconds = 2 * SECOND

/** Whether the server can say how things are, and whether it can sign. */
export function healthOf(ports: ServerPorts, metrics: Metrics): Health {
  const ready = (): Promise<WritError | null> => failureOf(() => ports.store.ping())
  return {
    ready,
    readyToIssue: () =>
      failureOf(async () => {
        await ports.store.ping()
        await ports.clockGuard.check()
        const authorities = ports.authorities.current()
        for (const kind of ['x509', 'jwt-svid', 'access-token'] as const) authorities.active(kind)
        ports.keys.check()
      }),
    metrics: () => metrics.text(),
  }
}

async function failureOf(probe: () => Promise<void>): Promise<WritError | null> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      reject(serverError('PROBE_TOO_SLOW'))
    }, PATIENCE)
  })
  try {
    await Promise.race([probe(), late])
    return null
  } catch (error) {
    return isWritError(error) ? error : serverError('PROBE_FAILED', { cause: error })
  } finally {
    clearTimeout(timer)
  }
}
