import { beforeEach, describe, expect, it } from 'vitest'
import { completeTask } from '#flows/complete-task.ts'
import { suspendAgent } from '#flows/admin/agent-state.ts'
import { authenticate } from '#flows/authenticate.ts'
import { revoke } from '#flows/revoke/revoke.ts'
import { suspendTask } from '#flows/suspend-task.ts'
import type { AskedRequest } from '#flows/authorize/asked-request.ts'
import { isWritError } from '#kernel/errors.ts'
import { HOUR, MINUTE, SECOND } from '#kernel/instant.ts'
import type { RevocationHandle } from '#revocation/index.ts'
import { AuthzHouse, BANK, SHOP, type Held, type Member, type Order } from '../support/authz-house.ts'
import { codeOfAsync } from '../support/code-of.ts'
import { rawWpt } from '../support/dpop.ts'
import { newTestKey } from '../support/keys.ts'

let house: AuthzHouse
let bot: Member
let edge: Member

beforeEach(async () => {
  house = await AuthzHouse.open()
  bot = await house.join('bot')
  edge = await house.join('edge')
})

const bearer = ({ text }: Held, as = bot): Partial<AskedRequest> => ({
  authorization: [`Bearer ${text}`],
  certificate: as.certificate,
})
const signed = (held: Held, dpop = [house.proof(held)]): Partial<AskedRequest> => ({
  authorization: [`DPoP ${held.text}`],
  dpop,
})
const code = (request: Partial<AskedRequest>, proxy: Member = edge): Promise<string> =>
  codeOfAsync(() => house.ask(proxy, request))

/** Code and what our log is told of why. */
async function refusal(request: Partial<AskedRequest>): Promise<readonly unknown[]> {
  try {
    await house.ask(edge, request)
    return ['ACCEPTED']
  } catch (error) {
    if (!isWritError(error)) throw error
    return [error.code, error.details['reason'] ?? error.details['fault']]
  }
}

const denials = (): readonly string[] =>
  house.world.store.leaves.flatMap(({ draft }) => (draft.decision.startsWith('deny:AUTHZ_') ? [draft.decision] : []))

describe('a request that may go on', () => {
  it('MT-6 DP-1 says who sends it and under which task, and writes nothing', async () => {
    const [plain, proven] = [await house.token(bot), await house.token(bot, { dpop: true })]
    const leaves = house.world.store.leaves.length
    const { spiffeId } = bot
    const rest = { spiffeId, subject: spiffeId, scope: ['read'] }
    expect(await house.ask(edge, bearer(plain))).toEqual({ ...rest, task: plain.task })
    expect(await house.ask(edge, signed(proven))).toEqual({ ...rest, task: proven.task })
    expect(house.world.store.leaves.length).toBe(leaves)
  })
})

describe('a proxy', () => {
  it('is refused unless it is registered with exactly one resource, and shows a certificate', async () => {
    const request = bearer(await house.token(bot))
    expect(await code(request, await house.join('other'))).toBe('AUTHZ_PROXY_NOT_REGISTERED')
    await house.register('https://third.example.org', ['spiffe://example.org/agent/vault'])
    house.world.clock.advance(SECOND)
    expect(await code(request, await house.join('vault'))).toBe('AUTHZ_PROXY_AMBIGUOUS')
    expect(denials()).toEqual(['deny:AUTHZ_PROXY_NOT_REGISTERED', 'deny:AUTHZ_PROXY_AMBIGUOUS'])
    const { anonymous, admin } = house.world
    expect(await codeOfAsync(() => house.ask(anonymous, request))).toBe('AUTHENTICATION_REQUIRED')
    expect(await codeOfAsync(() => house.ask(admin, request))).toBe('CALLER_NOT_AGENT')
  })

  it('is refused when it is known by a signature alone: what it vouches for hangs on its connection', async () => {
    const { spiffeId, wit, key } = await house.joinSigning('edge')
    const url = 'https://id.example.org/v1/authz'
    const proofs = [rawWpt({ wit, uri: url, now: house.world.clock.now() }, { key })]
    const shown = { identities: [wit], proofs, url, authorization: undefined, transactionToken: undefined }
    const caller = await authenticate(house.ports, { kind: 'tls', chain: [], address: '192.0.2.1', shown })
    expect(caller.name).toBe(spiffeId)
    const request = bearer(await house.token(bot))
    expect(await codeOfAsync(() => house.ask(caller, request))).toBe('AUTHZ_PROXY_NOT_REGISTERED')
  })

  it('is refused from the moment on at which its agent is suspended', async () => {
    const request = bearer(await house.token(bot))
    expect(await code(request)).toBe('ACCEPTED')
    await suspendAgent(house.ports, house.world.admin, { name: 'edge' })
    expect(await code(request)).toBe('AUTHZ_PROXY_NOT_REGISTERED')
  })
})

describe('a token behind a proxy', () => {
  it('is refused for another audience than the one that the proxy is registered with, and accepted behind that one', async () => {
    const held = await house.token(bot, { resource: BANK })
    expect(await refusal(bearer(held))).toEqual(['AUTHZ_TOKEN_INVALID', 'JWT_AUDIENCE_WRONG'])
    expect(await code(bearer(held), await house.join('vault'))).toBe('ACCEPTED')
  })

  it.each<[string, (held: Held) => readonly string[], string]>([
    ['none', () => [], 'AUTHZ_TOKEN_MISSING'],
    ['nothing', () => [''], 'AUTHZ_TOKEN_MISSING'],
    ['two', ({ text }) => [`Bearer ${text}`, `Bearer ${text}`], 'AUTHZ_TOKEN_INVALID'],
    ['another scheme', ({ text }) => [`Basic ${text}`], 'AUTHZ_TOKEN_INVALID'],
    ['no scheme', ({ text }) => [text], 'AUTHZ_TOKEN_INVALID'],
    ['the scheme of a proof', ({ text }) => [`DPoP ${text}`], 'AUTHZ_TOKEN_SCHEME_WRONG'],
    ['another signature', ({ text }) => [`Bearer ${text.slice(0, -8)}AAAAAAAA`], 'AUTHZ_TOKEN_INVALID'],
  ])('is refused with %s in Authorization', async (_name, authorization, expected) => {
    const held = await house.token(bot)
    expect(await code({ ...bearer(held), authorization: authorization(held) })).toBe(expected)
  })

  it('is refused when it has run out, and with a certificate that has', async () => {
    const held = await house.token(bot)
    house.world.clock.advance(10 * MINUTE)
    expect(await refusal(bearer(held))).toEqual(['AUTHZ_TOKEN_INVALID', 'JWT_EXPIRED'])
  })

  it('promise 5: is refused without the certificate that it is bound to, and with any other', async () => {
    const held = await house.token(bot)
    expect(await code({ ...bearer(held), certificate: null })).toBe('AUTHZ_CERTIFICATE_MISSING')
    for (const other of [await house.join('other'), await house.join('bot'), edge]) {
      expect(await code(bearer(held, other))).toBe('AUTHZ_TOKEN_NOT_BOUND')
    }
  })

  it('promise 5: is refused to those of whom nothing is proved without a leaf for each', async () => {
    const held = await house.token(bot)
    await code({ ...bearer(held), certificate: null })
    await code({ ...bearer(held), authorization: ['Bearer a.b.c'] })
    expect(denials()).toEqual([])
    expect(house.counted).toEqual(['AUTHZ_CERTIFICATE_MISSING', 'AUTHZ_TOKEN_INVALID'])
  })
})

describe('a proof of a DPoP key', () => {
  const other = newTestKey()

  it.each<[string, Parameters<AuthzHouse['proof']>[1]]>([
    ['another path', { htu: `${SHOP}/invoices/18` }],
    ['the path below another base', { htu: 'https://id.example.org/invoices/17' }],
    ['plain http', { htu: 'http://shop.example.org/invoices/17' }],
    ['our own endpoint', { htu: 'https://id.example.org/v1/authz' }],
    ['another method', { htm: 'POST' }],
    ['another key', { key: other }],
  ])('DP-1 is refused when it is of %s', async (_name, changes) => {
    const held = await house.token(bot, { dpop: true })
    expect(await code(signed(held, [house.proof(held, changes)]))).toBe('AUTHZ_PROOF_INVALID')
  })

  it('DP-1 is refused when it is missing, doubled, too old, or for another token', async () => {
    const [held, second] = [await house.token(bot, { dpop: true }), await house.token(bot, { dpop: true })]
    expect(await code(signed(held, []))).toBe('AUTHZ_PROOF_INVALID')
    expect(await code(signed(held, [house.proof(held), house.proof(held)]))).toBe('AUTHZ_PROOF_INVALID')
    expect(await code(signed(held, [house.proof(second)]))).toBe('AUTHZ_PROOF_INVALID')
    const early = house.proof(held)
    house.world.clock.advance(2 * MINUTE)
    expect(await code(signed(held, [early]))).toBe('AUTHZ_PROOF_INVALID')
  })

  it('DP-5 is used once, on whichever replica, and lends nothing to a token that is bound to a certificate', async () => {
    const held = await house.token(bot, { dpop: true })
    const once = signed(held)
    expect([await code(once), await code(once)]).toEqual(['ACCEPTED', 'AUTHZ_PROOF_REPLAYED'])
    expect(await code({ ...once, authorization: [`Bearer ${held.text}`] })).toBe('AUTHZ_TOKEN_SCHEME_WRONG')
  })

  it('is refused where the proxy does not say which request it is, or no URL is registered', async () => {
    const held = await house.token(bot, { dpop: true })
    expect(await code({ ...signed(held), method: null })).toBe('AUTHZ_URL_MISSING')
    expect(await code({ ...signed(held), path: null })).toBe('AUTHZ_URL_MISSING')
    const bank = await house.token(bot, { dpop: true, resource: BANK })
    const proof = [house.proof(bank, { htu: `${BANK}/invoices/17` })]
    expect(await code(signed(bank, proof), await house.join('vault'))).toBe('AUTHZ_URL_MISSING')
  })
})

describe('promise 6: what was taken back', () => {
  const REASON = 'privilege_withdrawn' as const
  const take = (handle: RevocationHandle, value: string) =>
    revoke(house.ports, house.world.admin, { handle, value, reason: REASON })

  const each = async (all: readonly Held[], act: (held: Held) => Promise<unknown>): Promise<void> => {
    for (const held of all) await act(held)
  }

  /** The certificate dies with what is above it; with a token that is bound to a key, the token alone says it. */
  const WAYS: readonly (readonly [string, string, string, (held: Held, proven: Held) => Promise<unknown>])[] = [
    [
      'the token',
      'AUTHZ_TOKEN_INACTIVE',
      'AUTHZ_TOKEN_INACTIVE',
      (...both) => each(both, ({ jti }) => take('token', jti)),
    ],
    [
      'the task',
      'AUTHZ_TOKEN_INACTIVE',
      'AUTHZ_TOKEN_INACTIVE',
      (...both) => each(both, ({ task }) => take('task', task)),
    ],
    ['the certificate', 'AUTHZ_CERTIFICATE_INVALID', 'AUTHZ_TOKEN_INACTIVE', () => take('certificate', bot.serial)],
    ['the instance', 'AUTHZ_CERTIFICATE_INVALID', 'AUTHZ_TOKEN_INACTIVE', () => take('instance', bot.instance)],
    ['the agent', 'AUTHZ_CERTIFICATE_INVALID', 'AUTHZ_TOKEN_INACTIVE', () => take('agent', 'bot')],
    ['the subject', 'AUTHZ_TOKEN_INACTIVE', 'AUTHZ_TOKEN_INACTIVE', () => take('subject', bot.spiffeId)],
    [
      'nothing, but its task is completed',
      'AUTHZ_TOKEN_INACTIVE',
      'AUTHZ_TOKEN_INACTIVE',
      (...both) => each(both, async ({ task }) => completeTask(house.ports, await house.caller(bot), task)),
    ],
    [
      'nothing, but its task is suspended',
      'AUTHZ_TOKEN_INACTIVE',
      'AUTHZ_TOKEN_INACTIVE',
      (...both) => each(both, ({ task }) => suspendTask(house.ports, house.world.admin, task)),
    ],
    [
      'nothing, but its agent is suspended',
      'AUTHZ_TOKEN_INACTIVE',
      'AUTHZ_TOKEN_INACTIVE',
      () => suspendAgent(house.ports, house.world.admin, { name: 'bot' }),
    ],
  ]

  it.each(WAYS)(
    '%s: the next request is refused, by certificate and by proof',
    async (_name, byCertificate, byProof, act) => {
      const held = await house.token(bot)
      const proven = await house.token(bot, { dpop: true })
      expect([await code(bearer(held)), await code(signed(proven))]).toEqual(['ACCEPTED', 'ACCEPTED'])
      house.world.clock.advance(SECOND)
      await act(held, proven)
      expect([await code(bearer(held)), await code(signed(proven))]).toEqual([byCertificate, byProof])
    },
  )

  it('is a leaf where the caller has proved its key, with its task, its token and the proxy', async () => {
    const held = await house.token(bot)
    await take('token', held.jti)
    await code(bearer(held))
    const { draft } = house.world.store.leaves.at(-1) ?? {}
    expect(draft).toMatchObject({ actor: bot.spiffeId, decision: 'deny:AUTHZ_TOKEN_INACTIVE' })
    expect(draft?.commitments).toEqual({ task: held.task, token: held.jti, proxy: edge.spiffeId })
  })

  it('promise 2: is never answered from what was true before: while the store is away nobody is let in', async () => {
    const [held, proven] = [await house.token(bot), await house.token(bot, { dpop: true })]
    const caller = await house.caller(edge)
    expect(await code(bearer(held))).toBe('ACCEPTED')
    house.world.store.failReads = true
    for (const request of [bearer(held), signed(proven)]) {
      expect(await codeOfAsync(() => house.ask(caller, request))).toBe('STORE_UNAVAILABLE')
    }
  })

  it('of a token of which nothing is on record, refuses it: signed is not enough', async () => {
    const held = await house.token(bot)
    await house.forget(held)
    expect(await code(bearer(held))).toBe('AUTHZ_TOKEN_INACTIVE')
  })
})

describe('what a request is about to do', () => {
  const attempt = async (order: Order, asked: Partial<AskedRequest>): Promise<string> =>
    code({ ...bearer(await house.token(bot, order)), ...asked })

  it('is refused unless one entry of the task allows every action on every object', async () => {
    expect(await attempt({}, { actions: ['pay'] })).toBe('AUTHZ_ACTION_NOT_ALLOWED')
    expect(await attempt({}, { actions: ['read', 'pay'] })).toBe('AUTHZ_ACTION_NOT_ALLOWED')
    expect(await attempt({ identifiers: ['17'] }, { actions: ['read'] })).toBe('AUTHZ_ACTION_NOT_ALLOWED')
    const both = { actions: ['read'], identifiers: ['17', '18'] }
    expect(await attempt({ identifiers: ['17'] }, both)).toBe('AUTHZ_ACTION_NOT_ALLOWED')
    expect(await attempt({ identifiers: ['17', '18'] }, both)).toBe('ACCEPTED')
    expect(denials()).toHaveLength(4)
  })

  it('is refused under a constraint, which no proxy can enforce', async () => {
    expect(await attempt({ constraints: { max_amount: 5 } }, { actions: ['read'] })).toBe('AUTHZ_CONSTRAINT_UNKNOWN')
    expect(await attempt({ constraints: { max_amount: 5 } }, {})).toBe('ACCEPTED')
  })

  it.each([0, SECOND, MINUTE])('is nothing once the certificate has run out, %d ms after its end', async (later) => {
    house.world.clock.advance(HOUR - 2 * MINUTE)
    const held = await house.token(bot)
    const caller = await house.caller(await house.join('edge'))
    house.world.clock.advance(2 * MINUTE + later)
    const codes = ['AUTHZ_TOKEN_INACTIVE', 'AUTHZ_TOKEN_INVALID', 'AUTHZ_CERTIFICATE_INVALID']
    expect(codes).toContain(await codeOfAsync(() => house.ask(caller, bearer(held))))
  })
})
