import { after } from '#kernel/instant.ts'
import { TaskToken, KeySet, type TaskAuthorization } from '#jwt/index.ts'
import {
  Access,
  createReceiver,
  introspectAt,
  presentedChain,
  RECEIVER_ERRORS,
  receiverError,
  refusalOf,
  staticTrust,
  type Operation,
  type PostForm,
  type ReceiverErrorCode,
  type ReceiverOptions,
} from '#receiver/index.ts'
import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { codeOf, codeOfAsync } from '../../support/code-of.ts'
import { ReceiverSetup, TRUST_DOMAIN } from '../../support/receiver-setup.ts'
import { AUDIENCE, ISSUER, NOW } from '../../support/tokens.ts'
import type { TestLeaf } from '../../support/test-authority.ts'

let setup: ReceiverSetup
let agent: TestLeaf

beforeAll(async () => {
  setup = await ReceiverSetup.create()
  agent = await setup.agent()
})

async function accessWith(
  authority: readonly Partial<TaskAuthorization>[],
  constraints: string[] = [],
): Promise<Access> {
  const entries = authority.map((entry) => ({ type: 'task' as const, resource: AUDIENCE, actions: ['read'], ...entry }))
  const text = await setup.token(agent, { authority: entries })
  const keys = new KeySet([setup.issuerKey.verificationKey])
  const token = TaskToken.verify(text, { keys, issuer: ISSUER, audience: AUDIENCE, now: NOW })
  return Access.join({
    peer: setup.receiver().verifyCertificate([agent.certificate]),
    token,
    knownConstraints: constraints,
  })
}

describe('access', () => {
  const attempt = async (
    authority: readonly Partial<TaskAuthorization>[],
    operation: Operation,
    known: string[] = [],
  ): Promise<string> => {
    const access = await accessWith(authority, known)
    return codeOf(() => {
      access.authorize(operation)
    })
  }
  const denied = 'RECEIVER_ACTION_NOT_ALLOWED'

  it('wants every action on every object', async () => {
    const authority = [{ actions: ['read', 'list'], identifiers: ['a', 'b'] }]
    expect(await attempt(authority, { actions: ['read'], identifiers: ['a'] })).toBe('ACCEPTED')
    expect(await attempt(authority, { actions: ['read', 'list'], identifiers: ['a', 'b'] })).toBe('ACCEPTED')
    expect(await attempt(authority, { actions: ['read'], identifiers: ['a', 'c'] })).toBe(denied)
    expect(await attempt(authority, { actions: ['read', 'write'], identifiers: ['a'] })).toBe(denied)
  })

  it('does not join the action of one entry with the object of another', async () => {
    const authority = [
      { actions: ['read'], identifiers: ['a'] },
      { actions: ['write'], identifiers: ['b'] },
    ]
    expect(await attempt(authority, { actions: ['write'], identifiers: ['a'] })).toBe(denied)
    expect(await attempt(authority, { actions: ['write'], identifiers: ['b'] })).toBe('ACCEPTED')
  })

  it('an operation about no certain object needs an entry without identifiers', async () => {
    expect(await attempt([{ identifiers: ['a'] }], { actions: ['read'] })).toBe(denied)
    expect(await attempt([{ identifiers: ['a'] }], { actions: ['read'], identifiers: [] })).toBe(denied)
    expect(await attempt([{}], { actions: ['read'] })).toBe('ACCEPTED')
    expect(await attempt([{}], { actions: ['read'], identifiers: ['z'] })).toBe('ACCEPTED')
  })

  it('an empty list of identifiers allows no object', async () => {
    expect(await attempt([{ identifiers: [] }], { actions: ['read'], identifiers: ['a'] })).toBe(denied)
    expect(await attempt([{ identifiers: [] }], { actions: ['read'] })).toBe(denied)
  })

  it('promise 2 who asks for nothing gets nothing', async () => {
    expect(await attempt([{}], { actions: [] })).toBe(denied)
  })

  it('refuses a constraint that it does not know, wherever it stands', async () => {
    const authority = [{}, { actions: ['write'], constraints: { max_amount: 5 } }]
    expect(await attempt(authority, { actions: ['read'] })).toBe('RECEIVER_CONSTRAINT_UNKNOWN')
    expect(await attempt(authority, { actions: ['read'] }, ['max_amount'])).toBe('ACCEPTED')
  })

  it('holds an operation to the limits, and wants the quantity told', async () => {
    const authority = [{ constraints: { max_amount: 5 } }]
    const with_ = (quantities?: Record<string, number>): Promise<string> =>
      attempt(authority, { actions: ['read'], ...(quantities === undefined ? {} : { quantities }) }, ['max_amount'])
    expect(await with_({ max_amount: 5 })).toBe('ACCEPTED')
    expect(await with_({ max_amount: 6 })).toBe(denied)
    expect(await with_({ max_amount: -1 })).toBe(denied)
    expect(await with_({ max_amount: Number.NaN })).toBe(denied)
    expect(await with_({})).toBe(denied)
    expect(await with_()).toBe(denied)
  })

  it('promise 4 never allows more than one entry says, whatever the entries', async () => {
    const name = fc.constantFrom('a', 'b', 'c')
    const entry = fc.record(
      { actions: fc.uniqueArray(name, { minLength: 1 }), identifiers: fc.uniqueArray(name) },
      { requiredKeys: ['actions'] },
    )
    await fc.assert(
      fc.asyncProperty(fc.array(entry, { minLength: 1, maxLength: 3 }), name, name, async (entries, action, object) => {
        const allowed = entries.some(
          (one) => one.actions.includes(action) && (one.identifiers === undefined || one.identifiers.includes(object)),
        )
        const verdict = await attempt(entries, { actions: [action], identifiers: [object] })
        expect(verdict).toBe(allowed ? 'ACCEPTED' : denied)
      }),
      { numRuns: 60 },
    )
  })
})

describe('options', () => {
  const create = (changes: Partial<ReceiverOptions>): string =>
    codeOf(() =>
      createReceiver({
        audience: AUDIENCE,
        issuer: ISSUER,
        trust: staticTrust(TRUST_DOMAIN, setup.documents()),
        allow: [],
        clock: setup.clock,
        ...changes,
      }),
    )

  it.each<[string, Partial<ReceiverOptions>]>([
    ['no audience', { audience: '' }],
    ['no issuer', { issuer: '' }],
    ['a tolerance over a minute', { skew: 60_001 }],
    ['a negative tolerance', { skew: -1 }],
    ['an allow-list of what is no SPIFFE ID', { allow: ['*'] }],
    ['an allow-list of a whole trust domain', { allow: ['spiffe://example.org'] }],
  ])('are refused with %s', (_name, changes) => {
    expect(create(changes)).toBe('RECEIVER_OPTIONS_INVALID')
  })

  it('are taken with an empty allow-list, which lets nobody in', () => {
    expect(create({})).toBe('ACCEPTED')
  })
})

describe('introspection', () => {
  const ask = (status: number, text: string): ReturnType<typeof introspectAt> => {
    const post: PostForm = () => Promise.resolve({ status, text: () => Promise.resolve(text) })
    return introspectAt('https://id.example.org/oauth2/introspect', post)
  }

  it('posts the token as a form, and nowhere else', async () => {
    const calls: Parameters<PostForm>[] = []
    const post: PostForm = (...call) => {
      calls.push(call)
      return Promise.resolve({ status: 200, text: () => Promise.resolve('{"active":true}') })
    }
    expect(await introspectAt('https://id.example.org/oauth2/introspect', post)('a.b.c')).toEqual({ active: true })
    expect(calls[0]?.[0]).toBe('https://id.example.org/oauth2/introspect')
    expect(calls[0]?.[1]).toMatchObject({ method: 'POST', body: 'token=a.b.c' })
  })

  it.each(['{"active":false}', '{}', '[]', 'null', '{"active":"true"}', '{"active":1}'])(
    '%s is inactive',
    async (text) => {
      expect(await ask(200, text)('t')).toEqual({ active: false })
    },
  )

  it.each([
    [500, '{"active":true}'],
    [401, ''],
    [200, '{"active":true,"active":true}'],
    [200, '<html>'],
  ])('status %d and %s is no answer', async (status, text) => {
    expect(await codeOfAsync(() => ask(status, text)('t'))).toBe('RECEIVER_INTROSPECTION_FAILED')
  })
})

describe('a refusal', () => {
  it('of every code has a status, and never speaks of success', () => {
    for (const code of Object.keys(RECEIVER_ERRORS) as ReceiverErrorCode[]) {
      const refusal = refusalOf(receiverError(code), ['a:b'])
      expect(refusal.status).toBeGreaterThanOrEqual(400)
      expect(JSON.parse(refusal.body)).toMatchObject({ error_code: code, error_description: RECEIVER_ERRORS[code] })
      const challenge = refusal.headers['www-authenticate']
      if (challenge !== undefined)
        expect(challenge).toMatch(/^(?:Bearer|DPoP)( [a-z_]+="[ -!#-[\]-~]*"(, [a-z_]+="[ -!#-[\]-~]*")*)?$/)
    }
  })

  it('of an action cannot break out of its quotes', () => {
    const refusal = refusalOf(receiverError('RECEIVER_ACTION_NOT_ALLOWED'), ['a"\r\nx: y\\'])
    expect(refusal.headers['www-authenticate']).toMatch(/scope="ax: y"$/)
  })

  it('of an error that is not ours says nothing', () => {
    expect(refusalOf(new TypeError('secret'))).toMatchObject({ status: 500, body: '{"error":"server_error"}' })
  })
})

describe('a presented chain', () => {
  it('ends with the peer, a repetition, or six certificates', () => {
    const loop = { raw: new Uint8Array([1]) } as { raw: Uint8Array; issuerCertificate?: unknown }
    loop.issuerCertificate = loop
    expect(presentedChain({ getPeerX509Certificate: () => loop as never })).toHaveLength(1)
    let long: { raw: Uint8Array; issuerCertificate?: unknown } = { raw: new Uint8Array([0]) }
    for (let index = 1; index < 20; index++) long = { raw: new Uint8Array([index]), issuerCertificate: long }
    expect(presentedChain({ getPeerX509Certificate: () => long as never })).toHaveLength(7)
    expect(presentedChain({})).toEqual([])
    expect(after(NOW, 0)).toBe(NOW)
  })
})
