import type { JsonLog } from '#adapters/log/index.ts'
import type { Metrics } from '#adapters/metrics/index.ts'
import { FeedHub } from '#flows/feed/feed-hub.ts'
import { refreshAuthorities } from '#flows/load-authorities.ts'
import type { ServerPorts } from './ports.ts'

/** Follows what all replicas do, for the streams of this one and for what it has to hear of itself. */
export function startFeed(ports: ServerPorts, metrics: Metrics, log: JsonLog): Promise<FeedHub> {
  return FeedHub.start(
    { ...ports, signal: ports.store, refreshAuthorities: () => refreshAuthorities(ports) },
    {
      observer: metrics.feed,
      onFailure: (error) => {
        metrics.dutyFailed('feed')
        log.error('duty.failed', error, { duty: 'feed' })
      },
    },
  )
}
