import { createHmac } from 'node:crypto'
import { beforeEach, describe, expect, it } from 'vitest'
import { completeTask } from '#flows/complete-task.ts'
import { openTask } from '#flows/open-task.ts'
import { resumeTask } from '#flows/resume-task.ts'
import { suspendTask } from '#flows/suspend-task.ts'
import { sha256 } from '#kernel/digest.ts'
import { toHex, utf8 } from '#kernel/bytes.ts'
import { toNumericDate } from '#kernel/instant.ts'
import { Secret } from '#kernel/secret.ts'
import { CORP, IDP_KEYS, NO_USERS, PARTNER } from '../fakes/users.ts'
import { codeOfAsync } from '../support/code-of.ts'
import { idToken, idTokenClaims } from '../support/id-tokens.ts'
import { newTestKey } from '../support/keys.ts'
import { orchestrate, orchestratorOf } from '../support/orchestrators.ts'
import { OPENING, READ, TaskHouse, type Copy } from '../support/task-house.ts'

const ALICE = 'user:corp:alice'
let house: TaskHouse
let bot: Copy

beforeEach(async () => {
  house = await TaskHouse.build()
  bot = house.addAgent('invoice-bot')
})

const token = (changes: object = {}, how: Parameters<typeof idToken>[2] = {}) =>
  idToken(house.clock.now(), changes, how)
const openFor = (text: string, nonce: string | null = null) =>
  house.open(bot, { user: { token: new Secret(text), nonce } })
const numeric = (offset = 0) => toNumericDate(house.clock.now()) + offset

describe('a task for a user who proves who they are', () => {
  it('has the user as its subject and keeps the digest of the proof, never the token', async () => {
    const text = token()
    const task = await openFor(text)
    expect(task).toMatchObject({
      subject: ALICE,
      agent: 'invoice-bot',
      instance: bot.instance,
      createdBy: bot.spiffeId,
    })
    const [row] = house.store.all('Task')
    expect(row?.subjectProof).toBe(toHex(sha256(utf8(text.slice(0, text.lastIndexOf('.'))))))
    expect(house.store.all('Replay').map(({ key }) => key)).toEqual([`id-token:${String(row?.subjectProof)}`])
    const leaf = house.store.leaves.at(-1)?.draft
    expect(leaf).toMatchObject({ type: 'task.opened', decision: 'permit', private: { subject: ALICE } })
    expect(leaf?.commitments['proof']).toBe(`sha-256:${String(row?.subjectProof)}`)
    const { private: beside, ...inTheLeaf } = leaf ?? {}
    expect(JSON.stringify(inTheLeaf)).not.toContain('alice')
    const everything = JSON.stringify([house.store.leaves, house.store.all('Task'), house.store.events, beside])
    for (const part of [text, ...text.split('.').slice(1)]) expect(everything).not.toContain(part)
    expect(everything).not.toContain('alice@corp.example')
  })

  it('TE-8 gives tokens whose sub is the user and whose act is the agent, by the agent’s own JWT-SVID', async () => {
    const task = await openFor(token())
    const start = await house.start(bot, task.id)
    const child = await house.narrow(bot, start.accessToken, {
      authorizationDetails: [{ ...READ, identifiers: ['inv_17'], constraints: { max_amount: 5 } }],
    })
    for (const { accessToken } of [start, child]) {
      const claims = house.claims(accessToken)
      expect({ sub: claims.subject, act: claims.actors.map(String) }).toEqual({ sub: ALICE, act: [bot.spiffeId] })
      expect(claims.transaction).toBe(house.claims(start.accessToken).transaction)
      expect(claims.task.id).toBe(task.id)
    }
  })

  it('is for the one copy that opened it', async () => {
    const task = await openFor(token())
    const other = house.addCopy(bot.agent)
    expect(await codeOfAsync(() => house.start(other, task.id))).toBe('TASK_NOT_FOUND')
  })

  it('takes the nonce where one was sent to the issuer', async () => {
    expect((await openFor(token({ nonce: 'n-1' }), 'n-1')).subject).toBe(ALICE)
    expect((await openFor(token({ nonce: 'n-2' }))).subject).toBe(ALICE)
  })

  it('takes may_act for the agent that asks, and no other', async () => {
    expect((await openFor(token({ may_act: { sub: bot.spiffeId } }))).subject).toBe(ALICE)
    const other = token({ may_act: { sub: 'spiffe://example.org/agent/other/i-1' } })
    expect(await codeOfAsync(() => openFor(other))).toBe('MAY_ACT_REFUSED')
  })

  it('tells issuers apart, whatever colons a sub has', async () => {
    const tricky = await openFor(token({ sub: 'partner:alice' }))
    const partner = await openFor(
      token({ iss: PARTNER.issuer, aud: PARTNER.clientId, sub: 'alice' }, { key: IDP_KEYS.partner }),
    )
    expect([tricky.subject, partner.subject]).toEqual(['user:corp:partner:alice', 'user:partner:alice'])
  })
})

describe('what it refuses about an ID token', () => {
  const hour = 3600
  it.each<[string, () => string, string]>([
    ['of an unknown issuer', () => token({ iss: 'https://login.other.example' }), 'USER_TOKEN_ISSUER_UNKNOWN'],
    ['of an issuer that only looks alike', () => token({ iss: `${CORP.issuer}/` }), 'USER_TOKEN_ISSUER_UNKNOWN'],
    ['for another client', () => token({ aud: 'somebody-else' }), 'USER_TOKEN_AUDIENCE'],
    [
      'for another client besides us',
      () => token({ aud: [CORP.clientId, 'x'], azp: CORP.clientId }),
      'USER_TOKEN_AUDIENCE',
    ],
    ['with our public URL as audience', () => token({ aud: 'https://id.example.org' }), 'USER_TOKEN_AUDIENCE'],
    ['that another client asked for', () => token({ azp: 'somebody-else' }), 'USER_TOKEN_AUDIENCE'],
    ['that has expired', () => token({ iat: numeric(-400), exp: numeric(-61) }), 'USER_TOKEN_EXPIRED'],
    ['without an end', () => token({ exp: undefined }), 'USER_TOKEN_INVALID'],
    ['without an issue time', () => token({ iat: undefined }), 'USER_TOKEN_INVALID'],
    ['from the future', () => token({ iat: numeric(90) }), 'USER_TOKEN_INVALID'],
    ['of a sign-in too long ago', () => token({ auth_time: numeric(-hour - 1) }), 'USER_TOKEN_TOO_OLD'],
    ['issued too long ago', () => token({ iat: numeric(-hour - 1) }), 'USER_TOKEN_TOO_OLD'],
    [
      'issued too long ago, of a sign-in to come',
      () => token({ iat: numeric(-hour - 1), auth_time: numeric(hour) }),
      'USER_TOKEN_TOO_OLD',
    ],
    [
      'that another key has signed',
      () => token({}, { key: { ...newTestKey(), kid: IDP_KEYS.corp.kid } }),
      'USER_TOKEN_INVALID',
    ],
    ['that another issuer has signed', () => token({}, { key: IDP_KEYS.partner }), 'USER_TOKEN_INVALID'],
    ['that an unknown key has signed', () => token({}, { header: { kid: 'nobody' } }), 'USER_TOKEN_INVALID'],
    ['without a key', () => token({}, { header: { kid: undefined } }), 'USER_TOKEN_INVALID'],
    ['for which no signature is claimed', () => token({}, { header: { alg: 'none' } }), 'USER_TOKEN_ALGORITHM'],
    [
      'that says another algorithm than its key has',
      () => token({}, { header: { alg: 'ES384' } }),
      'USER_TOKEN_ALGORITHM',
    ],
    ['that says RSA for a key on a curve', () => token({}, { header: { alg: 'RS256' } }), 'USER_TOKEN_ALGORITHM'],
    ['whose secret is the public key (alg confusion)', hmacToken, 'USER_TOKEN_ALGORITHM'],
    ['of another type', () => token({}, { header: { typ: 'at+jwt' } }), 'USER_TOKEN_TYPE'],
    ['that is a logout token', () => token({ events: {} }), 'USER_TOKEN_TYPE'],
    ['whose subject is a workload', () => token({ sub: 'spiffe://example.org/agent/a/i-1' }), 'USER_TOKEN_TYPE'],
    ['with a sub of 256 characters', () => token({ sub: 'x'.repeat(256) }), 'USER_TOKEN_SUBJECT'],
    ['with a space in its sub', () => token({ sub: 'al ice' }), 'USER_TOKEN_SUBJECT'],
    ['with a line feed in its sub', () => token({ sub: 'alice\n' }), 'USER_TOKEN_SUBJECT'],
    ['with a NUL in its sub', () => token({ sub: 'a\u0000' }), 'USER_TOKEN_SUBJECT'],
    ['with a letter in its sub that is not ASCII', () => token({ sub: 'älice' }), 'USER_TOKEN_SUBJECT'],
    ['with an empty sub', () => token({ sub: '' }), 'USER_TOKEN_SUBJECT'],
    ['with a number as its sub', () => token({ sub: 7 }), 'USER_TOKEN_SUBJECT'],
    ['without a sub', () => token({ sub: undefined }), 'USER_TOKEN_SUBJECT'],
    ['with a nonce that is no text', () => token({ nonce: 7 }), 'USER_TOKEN_INVALID'],
    ['that is none at all', () => 'x.y.z', 'USER_TOKEN_INVALID'],
  ])('%s', async (_, make, code) => {
    expect(await codeOfAsync(() => openFor(make()))).toBe(code)
    expect(house.store.all('Task')).toEqual([])
    expect(house.store.all('Replay')).toEqual([])
    expect(house.leaves()).toEqual([`task.opened deny:${code}`])
  })

  function hmacToken(): string {
    const { kid, verificationKey } = IDP_KEYS.corp
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
    const input = `${part({ alg: 'HS256', typ: 'JWT', kid })}.${part(idTokenClaims(house.clock.now()))}`
    const secret = JSON.stringify(verificationKey.jwk)
    return `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`
  }

  it('with another nonce than was sent, or with none', async () => {
    for (const text of [token({ nonce: 'n-2' }), token()]) {
      expect(await codeOfAsync(() => openFor(text, 'n-1'))).toBe('USER_TOKEN_NONCE')
    }
  })

  it('while its issuer is away, or where no users are known', async () => {
    const away = { ...house.ports, users: { ...house.ports.users, keys: NO_USERS.keys } }
    const user = { token: new Secret(token()), nonce: null }
    const ask = (ports: typeof away) => openTask(ports, house.caller(bot), { ...OPENING, user })
    expect(await codeOfAsync(() => ask(away))).toBe('OUTBOUND_UNREACHABLE')
    expect(await codeOfAsync(() => ask({ ...house.ports, users: NO_USERS }))).toBe('USER_TOKEN_ISSUER_UNKNOWN')
  })

  it('TE-4 in the place of it: a JWT-SVID, a task token', async () => {
    const { accessToken } = await house.start(bot, (await house.open(bot)).id)
    for (const text of [await house.svid(bot), accessToken]) {
      expect(await codeOfAsync(() => openFor(text))).toBe('USER_TOKEN_TYPE')
    }
  })
})

describe('promise 3: an ID token is good for one thing', () => {
  it('opens one task', async () => {
    const text = token()
    await openFor(text)
    expect(await codeOfAsync(() => openFor(text))).toBe('USER_TOKEN_USED')
    expect(house.leaves().at(-1)).toBe('task.opened deny:USER_TOKEN_USED')
    expect(house.store.all('Task')).toHaveLength(1)
  })

  it('opens one task, though a hundred ask at once', async () => {
    const text = token()
    const codes = await Promise.all(Array.from({ length: 100 }, () => codeOfAsync(() => openFor(text))))
    expect(codes.filter((code) => code === 'ACCEPTED')).toHaveLength(1)
    expect(codes.filter((code) => code === 'USER_TOKEN_USED')).toHaveLength(99)
    expect(house.store.all('Task')).toHaveLength(1)
  })

  it('is the same token with the other one of the two signatures that ECDSA gives', async () => {
    const text = token()
    const twin = otherSignature(text)
    expect(twin).not.toBe(text)
    await openFor(text)
    expect(await codeOfAsync(() => openFor(twin))).toBe('USER_TOKEN_USED')
  })

  it('is remembered for longer than any replica of ours takes it', async () => {
    await openFor(token())
    const [row] = house.store.all('Replay')
    expect(row?.expiresAt).toBe(house.clock.now() + 300_000 + 120_000)
  })

  it('is used up by no refusal before the commit', async () => {
    const text = token()
    const wide = { authority: [{ ...READ, actions: ['invoices:delete'] }] }
    const user = { token: new Secret(text), nonce: null }
    expect(await codeOfAsync(() => house.open(bot, { user, ...wide }))).toBe('TARGET_ACTION_UNKNOWN')
    expect((await openFor(text)).subject).toBe(ALICE)
  })
})

/** (r, n - s) is valid wherever (r, s) is. */
function otherSignature(text: string): string {
  const [header = '', payload = '', signature = ''] = text.split('.')
  const bytes = Buffer.from(signature, 'base64url')
  const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n
  const s = order - BigInt(`0x${bytes.subarray(32).toString('hex')}`)
  const twin = Buffer.concat([bytes.subarray(0, 32), Buffer.from(s.toString(16).padStart(64, '0'), 'hex')])
  return `${header}.${payload}.${twin.toString('base64url')}`
}

describe('promise 3 promise 6: the end of a task for a user', () => {
  let receiver: Copy
  beforeEach(() => {
    receiver = house.addAgent('billing')
  })

  it('kills its tokens on suspension and on completion, for good', async () => {
    const task = await openFor(token())
    const { accessToken } = await house.start(bot, task.id)
    expect(await house.introspect(receiver, accessToken)).toMatchObject({ active: true, sub: ALICE })
    const operator = house.principal('local:0', 'operator')
    await suspendTask(house.ports, operator, task.id)
    await resumeTask(house.ports, operator, task.id)
    expect(await house.introspect(receiver, accessToken)).toEqual({ active: false })
    house.pass(2)
    const again = await house.start(bot, task.id)
    await completeTask(house.ports, house.caller(bot), task.id)
    expect(await house.introspect(receiver, again.accessToken)).toEqual({ active: false })
    expect(await codeOfAsync(() => house.start(bot, task.id))).toBe('TASK_COMPLETED')
  })

  it('comes with a cutoff of the user, which older ID tokens do not survive', async () => {
    const task = await openFor(token())
    const { accessToken } = await house.start(bot, task.id)
    const old = token()
    house.pass(10)
    await house.cutOff('subject', ALICE)
    expect(await house.introspect(receiver, accessToken)).toEqual({ active: false })
    expect(await codeOfAsync(() => openFor(old))).toBe('USER_TOKEN_CUT_OFF')
    expect(await codeOfAsync(() => openFor(token({ sub: 'bob' })))).toBe('ACCEPTED')
    house.pass(61)
    expect(await codeOfAsync(() => openFor(token()))).toBe('ACCEPTED')
  })
})

describe('an orchestrator with the ID token of a user', () => {
  const ask = (list: readonly string[], text: string, subject: string | null = null) =>
    orchestrate(
      house,
      orchestratorOf(house, list, ['invoice-bot']),
      { agent: 'invoice-bot', subject },
      {
        user: { token: new Secret(text), nonce: null },
      },
    )

  it('need not name the user, but its list must', async () => {
    const task = await ask([ALICE], token())
    expect(task).toMatchObject({ subject: ALICE, instance: null })
    expect(house.store.all('Task')[0]?.subjectProof).toMatch(/^[0-9a-f]{64}$/)
    expect(await codeOfAsync(() => ask(['user:corp:bob'], token()))).toBe('TASK_SUBJECT_NOT_ALLOWED')
    expect(await codeOfAsync(() => ask(['user:corp:*'], token(), 'user:corp:bob'))).toBe('TASK_SUBJECT_DIFFERS')
    expect(await codeOfAsync(() => ask(['user:corp:*'], token({ aud: 'x' })))).toBe('USER_TOKEN_AUDIENCE')
  })
})
