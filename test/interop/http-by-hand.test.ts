import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { TOKEN_EXCHANGE_GRANT } from '#wire/index.ts'
import { cook, readRecipe, type Cooked } from '../support/recipe.ts'
import { BILLING, TestHouse } from '../support/server.ts'

/** All that the page may use besides the shell. */
const PROGRAMS = ['curl', 'openssl', 'awk', 'cat', 'grep', 'mv', 'rm', 'sed', 'tr']
const ACTIONS = ['invoices:read', 'invoices:pay']
/** The last call of the page is for a task that is completed. */
const REFUSED_AT_THE_END = 'curl: (22) The requested URL returned error: 400\n'

const recipe = readRecipe('http-by-hand.md')
const folders: string[] = []
let house: TestHouse
let cwd: string
let cooked: Cooked

/** A folder with join tokens, and a PATH of programs that note their arguments down. */
async function kitchen(from: TestHouse): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'writ-by-hand-'))
  folders.push(folder)
  mkdirSync(join(folder, 'bin'))
  for (const program of PROGRAMS) {
    const real = execFileSync('/bin/sh', ['-c', `command -v ${program}`], { encoding: 'utf8' }).trim()
    const lines = ['#!/bin/sh', `printf '%s\\n' "$0" "$@" >>'${folder}/argv'`, `exec ${real} "$@"`, '']
    writeFileSync(join(folder, 'bin', program), lines.join('\n'), { mode: 0o755 })
  }
  for (const agent of ['invoice-bot', 'billing'])
    writeFileSync(join(folder, `${agent}.token`), `${await from.joinToken(agent)}\n`, { mode: 0o600 })
  return folder
}

function follow(folder: string, server: TestHouse): Promise<Cooked> {
  const env = { PATH: join(folder, 'bin'), WRIT_SERVER: `https://localhost:${String(server.port)}` }
  return cook(recipe, { cwd: folder, env })
}

async function registered(server: TestHouse): Promise<TestHouse> {
  const spiffe_ids = ['spiffe://example.org/agent/billing']
  await server.admin('/v1/resources', { json: { audience: BILLING, owner: 'finance', spiffe_ids, actions: ACTIONS } })
  const permissions = [{ audience: BILLING, actions: ACTIONS }]
  await server.admin('/v1/agents', { json: { name: 'invoice-bot', owner: 'finance', permissions } })
  await server.admin('/v1/agents', { json: { name: 'billing', owner: 'finance', permissions: [] } })
  return server
}

beforeAll(async () => {
  house = await registered(await TestHouse.start())
  cwd = await kitchen(house)
  cooked = await follow(cwd, house)
})
afterAll(async () => {
  await house.stop()
  for (const folder of folders) rmSync(folder, { recursive: true })
})

const text = (file: string): string => readFileSync(join(cwd, file), 'utf8')
const json = (file: string): Record<string, unknown> => JSON.parse(text(file)) as Record<string, unknown>

describe('docs/http-by-hand.md', () => {
  it('has no code that is not run, and all of it runs', () => {
    expect(recipe.blocks.map(({ language }) => language)).toEqual(recipe.blocks.map(() => 'sh'))
    expect(cooked).toMatchObject({ code: 0, stderr: REFUSED_AT_THE_END })
    expect(cooked.printed.length).toBe(recipe.blocks.length)
  })

  it('checks the pin of the join token before it sends anything, and enrolls', () => {
    const said = cooked.printed.join('')
    expect(said).toContain('the anchor is the one that the join token names')
    expect(said).toMatch(/URI:spiffe:\/\/example\.org\/agent\/invoice-bot\/i-[0-9a-z]{16}/)
    expect(said).toContain('invoice-bot.pem: OK')
  })

  it('sends nothing to a server that the join token does not name', async () => {
    const other = await TestHouse.start()
    try {
      const folder = await kitchen(house)
      const done = await follow(folder, other)
      expect(done).toMatchObject({ code: 1, stderr: 'another server: do not send the token\n' })
      expect(readFileSync(join(folder, 'argv'), 'utf8')).not.toContain('/curl\n')
    } finally {
      await other.stop()
    }
  })

  it('works the same where a root signs the authorities', async () => {
    const rooted = await registered(await TestHouse.start({ mode: 'rooted' }))
    try {
      const done = await follow(await kitchen(rooted), rooted)
      expect(done).toMatchObject({ code: 0, stderr: REFUSED_AT_THE_END })
    } finally {
      await rooted.stop()
    }
  })

  it('renews in the lineage, for a new key', () => {
    expect(json('renewed.json')['instance']).toBe(json('invoice-bot.json')['instance'])
    expect(json('renewed.json')['serial']).not.toBe(json('invoice-bot.json')['serial'])
    expect(text('invoice-bot.pem')).toContain(String(json('renewed.json')['certificate']).trim())
  })

  it('exchanges and narrows, and the receiver sees the narrower token and whose it is', () => {
    expect(json('exchanged.json')).toMatchObject({ scope: 'invoices:pay invoices:read' })
    expect(json('introspected.json')).toMatchObject({
      active: true,
      aud: BILLING,
      authorization_details: [{ type: 'task', resource: BILLING, actions: ['invoices:read'] }],
      task: { id: json('opened.json')['id'] },
    })
    expect(cooked.printed.join('')).toContain('the caller holds the key of the token')
  })

  it('is told which parameter it left out', async () => {
    const [key, cert] = [text('invoice-bot.key'), text('invoice-bot.pem')]
    const form = { grant_type: TOKEN_EXCHANGE_GRANT }
    const { body } = await house.ask('/oauth2/token', { as: { key, cert }, form })
    expect(body).toMatchObject({ error_code: 'TOKEN_PARAMETER_MISSING' })
    expect(body['error_description']).toContain('client_id')
  })

  it('revokes a token with all that came from it, and completes the task for good', () => {
    expect(json('revoked.json')).toEqual({ active: false })
    expect(json('completed.json')).toMatchObject({ state: 'completed' })
    expect(json('late.json')).toMatchObject({ error: 'invalid_request', error_code: 'TASK_COMPLETED' })
    expect(cooked.printed.at(-1)).toMatch(/^refused: \S/)
  })

  it('promise 11: shows no token and no key in an argument of any process', () => {
    const shown = text('argv')
    const [secret = ''] = text('invoice-bot.token').split('.')
    expect(secret).toMatch(/^wjt_/)
    for (const token of [secret, text('svid.jwt'), text('access.jwt'), text('narrowed.jwt'), 'PRIVATE KEY'])
      expect(shown).not.toContain(token)
    expect(shown).toContain('token@narrowed.jwt')
  })
})
