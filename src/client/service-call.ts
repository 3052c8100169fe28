import { Agent, request } from 'undici'
import { isWritError } from '#kernel/errors.ts'
import type { ApiOrigin } from './api-call.ts'
import { verifiedAgent, type ConnectionPolicy } from './connect.ts'

export interface ServiceCall {
  readonly url: string
  readonly method: string
  /** What presents a task token (`presentedToken`). */
  readonly headers?: Readonly<Record<string, string>>
}

export interface ServiceAnswer {
  readonly status: number
  /** The WWW-Authenticate header; empty when there is none. */
  readonly challenge: string
  readonly body: string
}

/**
 * One call to a service, on a connection of its own.
 * @throws whatever the verification of the connection threw, or undici's error
 */
export async function callService(policy: ConnectionPolicy, call: ServiceCall): Promise<ServiceAnswer> {
  const dispatcher = verifiedAgent(policy)
  try {
    const { statusCode, headers, body } = await request(call.url, {
      dispatcher,
      method: call.method as 'GET',
      headers: call.headers ?? {},
    })
    return { status: statusCode, challenge: String(headers['www-authenticate'] ?? ''), body: await body.text() }
  } catch (error) {
    if (error instanceof Error && isWritError(error.cause)) throw error.cause
    throw error
  } finally {
    await dispatcher.close()
  }
}

/** The admin API of a server on this machine. */
export function unixOrigin(path: string): ApiOrigin {
  return { dispatcher: new Agent({ connect: { socketPath: path } }), origin: 'http://localhost' }
}
