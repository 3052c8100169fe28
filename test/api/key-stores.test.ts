import { readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { JsonLog } from '#adapters/log/index.ts'
import { isWritError } from '#kernel/errors.ts'
import { loadConfig, startServer, type ConfigFile, type RunningServer } from '#server/index.ts'
import { writeConfig } from '#server/config/write.ts'
import { askAt, TestHouse, type Enrolled } from '../support/server.ts'
import { SoftHsm, type SoftHsmToken } from '../support/softhsm.ts'

interface Stored {
  readonly kind: string
  readonly id: string
  readonly state: string
}

describe('a server whose kinds of keys live in different stores', { timeout: 30_000 }, () => {
  let hsm: SoftHsm
  let root: SoftHsmToken
  let house: TestHouse
  let bot: Enrolled
  let again: RunningServer | null = null

  const tokenOf = (name: string, { uri, pinFile }: SoftHsmToken) => ({
    ...{ name, module: hsm.module, uri, pin_file: pinFile },
  })
  const keysOf = (): NonNullable<ConfigFile['keys']> => ({
    tokens: [tokenOf('root-token', root), tokenOf('issuing-token', hsm.token)],
    stores: { default: 'software', 'x509-root': 'root-token', x509: 'issuing-token' },
  })

  beforeEach(async () => {
    hsm = new SoftHsm('issuing').use()
    root = hsm.add('root', '135790')
    house = await TestHouse.start({ mode: 'rooted', keys: keysOf() })
    await house.register('invoice-bot')
    bot = await house.enroll('invoice-bot')
  })
  afterEach(async () => {
    await again?.stop()
    again = null
    rmSync(house.data, { recursive: true })
    hsm.remove()
  })

  async function stored(kind: string): Promise<Stored> {
    const { items } = (await house.admin('/v1/authorities')).body as { items: readonly Stored[] }
    const found = items.find((one) => one.kind === kind && one.state === 'active')
    if (found === undefined) throw new TypeError(`no ${kind}`)
    return found
  }
  const labelOf = ({ kind, id }: Stored): string => `${kind}-${id.replace('_', '-')}`

  async function restart(keys: NonNullable<ConfigFile['keys']>): Promise<string> {
    await house.server.stop()
    const off = '127.0.0.1:0'
    writeConfig(house.data, {
      trust_domain: 'example.org',
      public_url: 'https://id.example.org',
      listen: { https: off, status: off, health: off },
      mode: 'rooted',
      keys,
    })
    const log = new JsonLog({ level: 'error', destination: { write: () => true } })
    try {
      again = await startServer(loadConfig({ data: house.data, environment: {} }), log)
      return 'STARTED'
    } catch (error) {
      if (!isWritError(error)) throw error
      return `${error.code} ${String(error.details['token'] ?? error.details['reference'])}`
    }
  }

  async function issued(): Promise<readonly number[]> {
    const port = Number(new URL(again?.addresses['https'] ?? '').port)
    const json = { audience: ['https://id.example.org'] }
    const token = await askAt(port, '/v1/jwt-svid', { as: bot.identity, json })
    return [token.status, (await askAt(port, '/bundle')).status]
  }

  it('has each key where its kind belongs, and issues with all of them, after a restart too', async () => {
    const kinds = readdirSync(join(house.data, 'keys')).map((name) => name.replace(/-[^-]+-[^-]+$/, ''))
    expect(kinds).toContain('jwt-svid')
    expect(kinds.filter((kind) => kind === 'x509' || kind === 'x509-root')).toEqual([])
    expect(hsm.tool('--list-objects', '--type', 'privkey')).toContain(labelOf(await stored('x509')))
    expect(hsm.tool('--list-objects', '--type', 'privkey')).not.toContain('x509-root')
    expect(await restart(keysOf())).toBe('STARTED')
    expect(await issued()).toEqual([200, 200])
  })

  it('runs and issues without the token of its root, which it never opens', async () => {
    const [, issuing = tokenOf('none', root)] = keysOf().tokens ?? []
    const keys = { tokens: [issuing], stores: { x509: 'issuing-token' } }
    expect(await restart(keys)).toBe('STARTED')
    expect(await issued()).toEqual([200, 200])
  })

  it('does not start when the key in a store is another one, and says in which', async () => {
    const label = labelOf(await stored('x509'))
    const listed = hsm.tool('--list-objects', '--type', 'privkey', '--label', label)
    const [id = ''] = /ID: +([0-9a-f]+)/.exec(listed)?.slice(1) ?? []
    for (const type of ['privkey', 'pubkey']) hsm.tool('--delete-object', '--type', type, '--id', id)
    hsm.tool('--keypairgen', '--key-type', 'EC:prime256v1', '--label', label, '--id', id, '--sensitive')
    expect(await restart(keysOf())).toBe('KEY_MISMATCH issuing-token')
  })

  it('does not start when a store has lost the key, and says which', async () => {
    const label = labelOf(await stored('x509'))
    const listed = hsm.tool('--list-objects', '--type', 'privkey', '--label', label)
    const [id = ''] = /ID: +([0-9a-f]+)/.exec(listed)?.slice(1) ?? []
    for (const type of ['privkey', 'pubkey']) hsm.tool('--delete-object', '--type', type, '--id', id)
    expect(await restart(keysOf())).toBe('KEY_NOT_FOUND issuing-token')
  })
})
