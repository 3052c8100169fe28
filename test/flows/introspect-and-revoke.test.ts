import { beforeEach, describe, expect, it } from 'vitest'
import { AuthoritySet, CurrentAuthorities } from '#authority/index.ts'
import { completeTask } from '#flows/complete-task.ts'
import { introspectToken, introspectTokenAsJwt } from '#flows/introspect-token.ts'
import { toNumericDate } from '#kernel/instant.ts'
import { revokeToken } from '#flows/revoke-token.ts'
import { suspendTask } from '#flows/suspend-task.ts'
import { KeySet, parseCompact, VerifiedToken } from '#jwt/index.ts'
import type { CutoffKind } from '#revocation/index.ts'
import { codeOfAsync } from '../support/code-of.ts'
import { newTestKey } from '../support/keys.ts'
import { BILLING, MAIL, TaskHouse, type Copy, spkiHashOf } from '../support/task-house.ts'
import { rawToken } from '../support/tokens.ts'

let house: TaskHouse
let bot: Copy
let billing: Copy
let task: string
let parent: string
let child: string

beforeEach(async () => {
  house = await TaskHouse.build()
  bot = house.addAgent('invoice-bot')
  billing = house.addAgent('billing')
  task = (await house.open(bot)).id
  parent = (await house.start(bot, task)).accessToken
  child = (await house.narrow(bot, parent, { scope: 'invoices:read' })).accessToken
})

const revoke = (copy: Copy, token: string) => revokeToken(house.ports, house.caller(copy), { token })
const isActive = async (token: string) => (await house.introspect(billing, token)).active

describe('introspection', () => {
  it('IN-1 MT-4 RAR-2 answers an active token with its claims, cnf and authority', async () => {
    expect(await house.introspect(billing, child)).toMatchObject({
      active: true,
      token_type: 'Bearer',
      iss: 'https://id.example.org',
      sub: bot.spiffeId,
      client_id: bot.spiffeId,
      aud: BILLING,
      scope: 'invoices:read',
      cnf: { 'x5t#S256': bot.thumbprint },
      authorization_details: [{ type: 'task', resource: BILLING, actions: ['invoices:read'] }],
      task: { id: task },
    })
  })

  it('IN-1 refuses whoever is not authenticated', async () => {
    const ask = () => introspectToken(house.ports, house.anonymous(), { token: parent })
    expect(await codeOfAsync(ask)).toBe('AUTHENTICATION_REQUIRED')
  })

  it('IN-1 tells whoever may not act for the audience nothing', async () => {
    const mail = house.addAgent('mail')
    for (const who of [mail, bot]) expect(await house.introspect(who, parent)).toEqual({ active: false })
    const forMail = (await house.start(bot, task, { resources: [MAIL] })).accessToken
    expect(await house.introspect(mail, forMail)).toMatchObject({ active: true })
    expect(await house.introspect(billing, forMail)).toEqual({ active: false })
  })

  it('IN-1 is not fooled by an agent whose name only begins alike', async () => {
    expect(await house.introspect(house.addAgent('billing-2'), parent)).toEqual({ active: false })
    expect(await house.introspect(house.addCopy('agt_billing'), parent)).toMatchObject({ active: true })
  })

  it('calls a token inactive as soon as the key that signed it is tainted', async () => {
    expect(await isActive(parent)).toBe(true)
    const set = house.ports.authorities.current()
    const records = set.records.map((one) => {
      return one.kind === 'access-token' ? { ...one, state: 'tainted' as const, version: one.version + 1 } : one
    })
    const { trustDomain } = set
    const authorities = new CurrentAuthorities(AuthoritySet.of({ trustDomain, records, signers: new Map() }))
    const { ports } = house
    expect(await introspectToken({ ...ports, authorities }, house.caller(billing), { token: parent })).toEqual({
      active: false,
    })
  })

  it('IN-1 answers every token that is not valid with the same two words', async () => {
    const key = house.keys['access-token']
    const [header = '', payload = '', signature = ''] = parent.split('.')
    const text = (part: string) => Buffer.from(part, 'base64url').toString()
    const claims = JSON.parse(text(payload)) as object
    const invalid = [
      '',
      'x',
      'a.b.c',
      `${header}.${payload}`,
      `${header}.${payload}.${signature.slice(0, -2)}AA`,
      rawToken(text(header), claims, newTestKey()),
      rawToken({ alg: 'ES256', typ: 'JWT', kid: key.kid }, claims, key),
      rawToken({ alg: 'none', typ: 'at+jwt', kid: key.kid }, claims, key),
      rawToken(text(header), { ...claims, jti: 'tok_00000000000000000000000000' }, key),
      rawToken(text(header), { ...claims, iss: 'https://other.example.org' }, key),
      rawToken(text(header), { ...claims, aud: [BILLING, MAIL] }, key),
      await house.svid(bot),
    ]
    for (const token of invalid) expect(await house.introspect(billing, token)).toEqual({ active: false })
  })

  it('IN-2 signs the same answer for the caller alone, with a key that signs no token, and records it', async () => {
    const ask = (token: string) => introspectTokenAsJwt(house.ports, house.caller(billing), { token })
    const keys = new KeySet([house.keys.status.verificationKey])
    for (const token of [child, 'unknown']) {
      const signed = await ask(token)
      const { claims } = VerifiedToken.verify(parseCompact(signed, 'introspection'), keys)
      expect(claims).toEqual({
        iss: 'https://id.example.org',
        aud: billing.spiffeId,
        iat: toNumericDate(house.clock.now()),
        token_introspection: await house.introspect(billing, token),
      })
      expect(await house.introspect(billing, signed)).toEqual({ active: false })
      expect(await codeOfAsync(() => house.narrow(bot, signed))).toMatch(/^SUBJECT_TOKEN_/)
    }
    expect(house.leaves().filter((leaf) => leaf === 'introspection.signed permit')).toHaveLength(2)
    const kids = house.ports.authorities
      .current()
      .oauthJwks()
      .keys.map(({ kid }) => kid)
    expect(kids).toEqual([house.keys['access-token'].kid, house.keys.status.kid, house.keys.events.kid])
    expect(await codeOfAsync(() => introspectTokenAsJwt(house.ports, house.anonymous(), { token: child }))).toBe(
      'AUTHENTICATION_REQUIRED',
    )
  })

  it('IN-3 is active no longer than the token', async () => {
    house.pass(179)
    expect(await isActive(parent)).toBe(true)
    house.pass(1)
    expect(await house.introspect(billing, parent)).toEqual({ active: false })
  })

  it.each<[string, () => Promise<unknown>]>([
    ['the token is revoked', () => revoke(bot, child)],
    ['an ancestor is revoked', () => revoke(bot, parent)],
    ['the task is completed', () => completeTask(house.ports, house.caller(bot), task)],
    ['the task is suspended', () => suspendTask(house.ports, house.principal('team-billing'), task)],
    ['the agent is suspended', () => house.change('Agent', { id: bot.agent }, { state: 'suspended' })],
    ['the instance is revoked', () => house.change('Instance', { id: bot.instance }, { state: 'revoked' })],
    ['the certificate is revoked', () => house.change('Certificate', { serial: bot.serial }, { state: 'revoked' })],
  ])('IN-3 promise 6: is inactive at the next request when %s', async (_, end) => {
    expect(await isActive(child)).toBe(true)
    await end()
    expect(await house.introspect(billing, child)).toEqual({ active: false })
  })

  it.each<[CutoffKind, () => string]>([
    ['trust-domain', () => 'example.org'],
    ['authority', () => 'aut_x509'],
    ['node', () => 'nod_1'],
    ['agent', () => bot.agent],
    ['actor', () => bot.agent],
    ['instance', () => bot.instance],
    ['lineage', () => 'lin_3'],
    ['spki', () => spkiHashOf(bot.serial)],
    ['evidence', () => '3'.padStart(64, '0')],
    ['selector', () => 'join_token:x'],
    ['task', () => task],
    ['subject', () => bot.spiffeId],
    ['token', () => house.claims(parent).id],
  ])('IN-3 is inactive once the %s is cut off', async (kind, value) => {
    house.pass(1)
    await house.cutOff(kind, value())
    expect(await house.introspect(billing, child)).toEqual({ active: false })
  })

  it('IN-3 compares issue times: what was issued at T or later is not reached by a cutoff at T', async () => {
    await house.cutOff('subject', bot.spiffeId)
    expect(await isActive(child)).toBe(true)
  })

  it('IN-3 a resource that is retired learns nothing more', async () => {
    await house.change('Resource', { audience: BILLING }, { state: 'retired' })
    expect(await house.introspect(billing, parent)).toEqual({ active: false })
  })
})

describe('revocation of a token', () => {
  it('RV-2 ends the subtree in one commit of one row and one cutoff', async () => {
    const sibling = (await house.narrow(bot, parent)).accessToken
    const commits = house.store.commits
    await revoke(bot, child)
    expect(house.store.commits).toBe(commits + 1)
    expect(house.store.all('Cutoff')).toHaveLength(1)
    expect([await isActive(parent), await isActive(child), await isActive(sibling)]).toEqual([true, false, true])
    await revoke(bot, parent)
    expect([await isActive(parent), await isActive(sibling)]).toEqual([false, false])
    expect(house.leaves().slice(-2)).toEqual(['token.revoked permit', 'token.revoked permit'])
    expect(house.store.events.at(-1)).toMatchObject({ type: 'token.revoked', data: { task } })
  })

  it('RV-1 is content with a token that is unknown, malformed, expired or revoked already', async () => {
    await revoke(bot, parent)
    const commits = house.store.commits
    for (const token of [parent, 'x', '', rawToken({ alg: 'ES256', typ: 'at+jwt', kid: 'x' }, {}, newTestKey())]) {
      await revoke(bot, token)
    }
    house.pass(200)
    await revoke(bot, child)
    expect(house.store.commits).toBe(commits)
  })

  it('RV-1 refuses the token of another client, and leaves it alone', async () => {
    const thief = house.addAgent('thief', { owner: 'team-thief' })
    for (const who of [thief, billing, house.addCopy(bot.agent)]) {
      expect(await codeOfAsync(() => revoke(who, parent))).toBe('TOKEN_NOT_YOURS')
    }
    const stranger = house.principal('local:7', 'viewer')
    expect(await codeOfAsync(() => revokeToken(house.ports, stranger, { token: parent }))).toBe('TOKEN_NOT_YOURS')
    expect(await isActive(parent)).toBe(true)
    expect(house.leaves().at(-1)).toBe('token.revoked deny:TOKEN_NOT_YOURS')
  })

  it('RV-1 lets the owner of the task and an operator', async () => {
    await revokeToken(house.ports, house.principal('team-billing'), { token: child })
    await revokeToken(house.ports, house.principal('local:0', 'operator'), { token: parent })
    expect([await isActive(parent), await isActive(child)]).toEqual([false, false])
  })

  it('RV-1 refuses the anonymous, and tokens of a type that it cannot revoke', async () => {
    const anonymous = () => revokeToken(house.ports, house.anonymous(), { token: parent })
    expect(await codeOfAsync(anonymous)).toBe('AUTHENTICATION_REQUIRED')
    const svid = await house.svid(bot)
    expect(await codeOfAsync(() => revoke(bot, svid))).toBe('TOKEN_TYPE_UNSUPPORTED')
  })

  it('is done once when many ask at once', async () => {
    const codes = await Promise.all(Array.from({ length: 50 }, () => codeOfAsync(() => revoke(bot, parent))))
    expect(new Set(codes)).toEqual(new Set(['ACCEPTED']))
    expect(house.store.events.filter((event) => event.type === 'token.revoked')).toHaveLength(1)
  })
})
