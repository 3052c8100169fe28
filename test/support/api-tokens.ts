import { decodeJwt } from 'jose'
import { instant } from '#kernel/instant.ts'
import { JWT_TYPE, TOKEN_EXCHANGE_GRANT } from '#wire/index.ts'
import { rawDpop } from './dpop.ts'
import type { TestKey } from './keys.ts'
import { BILLING, type Enrolled, type Reply, type TestHouse } from './server.ts'

/** A task token that a server has issued. */
export interface HeldToken {
  readonly text: string
  readonly jti: string
  readonly task: string
  readonly status: { readonly idx: number; readonly uri: string }
}

/** A new task of the agent and the first token under it, all over HTTP; bound to a key of proofs where one is given. */
export async function takeToken(house: TestHouse, { identity: as, svid }: Enrolled, key?: TestKey): Promise<HeldToken> {
  const jwt = await house.ask('/v1/jwt-svid', { as, json: { audience: ['https://id.example.org'] } })
  const authority = [{ type: 'task', resource: BILLING, actions: ['read'] }]
  const task = await house.ask('/v1/tasks', { as, json: { authority, expires_in: 600 } })
  const form = {
    grant_type: TOKEN_EXCHANGE_GRANT,
    client_id: svid.spiffe_id,
    subject_token: String(jwt.body['token']),
    subject_token_type: JWT_TYPE,
    task_id: String(task.body['id']),
    resource: BILLING,
  }
  const exchange = (nonce?: string): Promise<Reply> => {
    const at = { method: 'POST', uri: 'https://id.example.org/oauth2/token', now: instant(Date.now()) }
    const headers: Record<string, string> = key === undefined ? {} : { dpop: rawDpop(at, { key, claims: { nonce } }) }
    return house.ask('/oauth2/token', { as, form, headers })
  }
  const first = await exchange()
  const nonce = first.headers['dpop-nonce']
  const answer = first.status === 200 || nonce === undefined ? first : await exchange(String(nonce))
  if (answer.status !== 200) throw new TypeError(`no token: ${JSON.stringify(answer.body)}`)
  const text = String(answer.body['access_token'])
  const { jti = '', status } = decodeJwt<{ status: { status_list: HeldToken['status'] } }>(text)
  return { text, jti, task: form.task_id, status: status.status_list }
}

/** Asks again until it holds, for twenty seconds at most; the last answer is the answer. */
export async function eventually<Value>(ask: () => Promise<Value>, holds: (value: Value) => boolean): Promise<Value> {
  const end = performance.now() + 20_000
  for (;;) {
    const value = await ask()
    if (holds(value) || performance.now() > end) return value
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}
