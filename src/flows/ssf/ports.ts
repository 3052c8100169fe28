import type { IssuePorts } from '../issuance-ports.ts'
import type { Firsts } from '../ports.ts'

/** Brings security events to the endpoints of receivers (RFC 8935), within bounds of time and size. */
export interface EventPush {
  /** @throws SSF_ENDPOINT_FORBIDDEN unless events may be sent there */
  check(url: string): Promise<void>
  /** What the receiver answered: a status, and nothing of what it said. Rejects when it did not answer. */
  send(delivery: EventDelivery): Promise<number>
}

export interface EventDelivery {
  readonly url: string
  /** What is sent as `Authorization`; null where the receiver asked for nothing. */
  readonly authorization: string | null
  readonly token: string
}

export interface SsfPorts extends IssuePorts {
  readonly firsts: Firsts
  readonly push: EventPush
}
