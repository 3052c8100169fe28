import { beforeEach, describe, expect, it } from 'vitest'
import { certificatesCutOff, instancesUnder, tokensCutOff } from '#flows/revoke/reach.ts'
import { HOUR } from '#kernel/instant.ts'
import { credentialCutoffKeys, isCutOff, type CutoffKind, type CutoffRecord } from '#revocation/index.ts'
import { OPENING, spkiHashOf, TaskHouse, type Copy } from '../support/task-house.ts'

let house: TaskHouse
let bot: Copy
let twin: Copy
let other: Copy
/** The receiver's own name, which may ask about its tokens. */
let billing: Copy
const tokens = new Map<string, string>()

async function tokenOf(copy: Copy): Promise<string> {
  const task = await house.open(copy, OPENING)
  const { accessToken } = await house.start(copy, task.id)
  tokens.set(house.claims(accessToken).id, accessToken)
  return accessToken
}

beforeEach(async () => {
  tokens.clear()
  house = await TaskHouse.build()
  bot = house.addAgent('bot')
  twin = house.addCopy(bot.agent, { node: 'nod_2', selectors: ['join_token:y'] })
  other = house.addAgent('other')
  billing = house.addAgent('billing')
  billing = { ...billing, spiffeId: 'spiffe://example.org/agent/billing' }
  house.pass(10)
  for (const copy of [bot, twin, other]) await house.narrow(copy, await tokenOf(copy)).then(remember)
  house.pass(5)
})

function remember({ accessToken }: { readonly accessToken: string }): void {
  tokens.set(house.claims(accessToken).id, accessToken)
}

function instance(copy: Copy) {
  const row = house.store.all('Instance').find(({ id }) => id === copy.instance)
  if (row === undefined) throw new TypeError('no such instance')
  return row
}

const firstToken = () => house.store.all('TaskToken').find(({ parent }) => parent === null)
const firstTask = () => house.store.all('Task')[0]

/** X of each kind of cutoff, on what the bot has. */
const TARGETS: Readonly<Record<CutoffKind, () => string>> = {
  'trust-domain': () => 'example.org',
  authority: () => 'aut_x509',
  node: () => instance(bot).node ?? '',
  agent: () => bot.agent,
  actor: () => bot.agent,
  instance: () => bot.instance,
  lineage: () => instance(bot).lineage,
  spki: () => spkiHashOf(bot.serial),
  evidence: () => instance(bot).evidenceDigest,
  selector: () => 'join_token:x',
  task: () => firstTask()?.id ?? '',
  subject: () => firstTask()?.subject ?? '',
  token: () => firstToken()?.jti ?? '',
}

async function cut(kind: CutoffKind): Promise<CutoffRecord> {
  await house.cutOff(kind, TARGETS[kind]())
  const [row] = house.store.all('Cutoff')
  if (row === undefined) throw new TypeError('nothing was cut off')
  return row
}

async function gathered<Row>(pages: AsyncGenerator<readonly Row[]>): Promise<readonly Row[]> {
  const rows: Row[] = []
  for await (const page of pages) rows.push(...page)
  return rows
}

describe.each(Object.keys(TARGETS) as readonly CutoffKind[])('a cutoff of %s', (kind) => {
  it('is spelled out as exactly the tokens that introspection calls dead', async () => {
    const cutoff = await cut(kind)
    const spelled = await gathered(tokensCutOff(house.ports.reader, cutoff, house.clock.now()))
    const dead: string[] = []
    for (const [jti, token] of tokens) {
      const { active } = await house.introspect(billing, token)
      if (!active) dead.push(jti)
    }
    expect(dead.length).toBeGreaterThan(0)
    expect([...new Set(spelled.map(({ jti }) => jti))].sort()).toEqual(dead.sort())
  })

  it('is spelled out as exactly the certificates that its key reaches', async () => {
    const cutoff = await cut(kind)
    const spelled = await gathered(certificatesCutOff(house.ports.reader, cutoff, house.clock.now()))
    const reached = house.store.all('Certificate').filter((certificate) => {
      const holder = house.store.all('Instance').find(({ id }) => id === certificate.instance)
      if (holder === undefined) return false
      const keys = credentialCutoffKeys({ trustDomain: 'example.org', certificate, instance: holder })
      return isCutOff(keys, certificate.issuedAt, [cutoff])
    })
    expect(spelled.map(({ serial }) => serial).sort()).toEqual(reached.map(({ serial }) => serial).sort())
  })
})

describe('what a cutoff is spelled out as', () => {
  it('leaves out what was issued after it, and what has run out by itself', async () => {
    const cutoff = await cut('agent')
    house.pass(5)
    const renewed = house.addCertificate(bot)
    const now = house.clock.now()
    const serials = (at: typeof now) =>
      gathered(certificatesCutOff(house.ports.reader, cutoff, at)).then((rows) => rows.map(({ serial }) => serial))
    expect(await serials(now)).toEqual(expect.arrayContaining([bot.serial, twin.serial]))
    expect(await serials(now)).not.toContain(renewed.serial)
    expect(await serials((now + HOUR) as typeof now)).toEqual([])
  })

  it('goes through more rows than one page has, each once', async () => {
    for (let count = 0; count < 2100; count++) house.addCertificate(bot)
    house.pass(5)
    const cutoff = await cut('lineage')
    const rows = await gathered(certificatesCutOff(house.ports.reader, cutoff, house.clock.now()))
    expect(new Set(rows.map(({ serial }) => serial)).size).toBe(rows.length)
    expect(rows.length).toBe(2101)
  })

  it('finds the instances of a selector without an index, dead ones too', async () => {
    await house.change('Instance', { id: twin.instance }, { state: 'revoked' })
    const cutoff = { kind: 'selector', value: 'join_token:y', before: house.clock.now() } as const
    const rows = await gathered(instancesUnder(house.ports.reader, cutoff))
    expect(rows.map(({ id }) => id)).toEqual([twin.instance])
  })
})
