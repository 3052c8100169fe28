import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { instant } from '#kernel/instant.ts'
import { JWT_TYPE, TOKEN_EXCHANGE_GRANT } from '#wire/index.ts'
import { Background, until } from '../support/background.ts'
import { createDatabase, type TestDatabase } from '../support/databases.ts'
import { rawDpop } from '../support/dpop.ts'
import { askAt, BILLING, TestHouse, type Enrolled, type Reply } from '../support/server.ts'
import { storePassword } from '../support/store-password.ts'

const PUBLIC = 'https://id.example.org'
const READY = /^\{"ready":.*$/m

/** A server in a process of its own, with keys and configuration of another one. */
class ServerProcess {
  readonly process: Background
  readonly #folder = mkdtempSync(join(tmpdir(), 'writ-process-'))

  constructor(of: TestHouse, number: number) {
    const data = join(this.#folder, 'data')
    cpSync(of.data, data, { recursive: true, filter: (name) => !name.endsWith('.sock') })
    const replica = { WRIT_REPLICA_NAME: `process-${String(number)}`, WRIT_REPLICA_NUMBER: String(number) }
    const password = { PGPASSWORD: process.env['PGPASSWORD'] ?? '' }
    const env = { WRIT_DATA: data, ...replica, ...password }
    this.process = new Background(['server', 'run', '--json'], { cwd: this.#folder, env })
  }

  async ready(): Promise<this> {
    const { process } = this
    const state = () => process.stdout + process.stderr
    await until(() => READY.test(process.stdout), state)
    return this
  }

  get port(): number {
    return Number(/https:\/\/127\.0\.0\.1:(\d+)/.exec(READY.exec(this.process.stdout)?.[0] ?? '')?.[1])
  }

  async stop(): Promise<void> {
    await this.process.stop()
    rmSync(this.#folder, { recursive: true })
  }
}

describe('two server processes on one PostgreSQL', () => {
  let database: TestDatabase
  let house: TestHouse
  let servers: readonly ServerProcess[] = []
  let bot: Enrolled

  beforeAll(async () => {
    database = await createDatabase('postgresql', '')
    const { passwordFile } = storePassword()
    const url = new URL(database.url)
    url.password = ''
    const password = passwordFile === undefined ? {} : { password_file: passwordFile }
    house = await TestHouse.start({ database: { url: url.href, ...password } })
    await house.register('invoice-bot')
    bot = await house.enroll('invoice-bot')
    servers = [new ServerProcess(house, 2), new ServerProcess(house, 3)]
    await Promise.all(servers.map((server) => server.ready()))
  }, 60_000)
  afterAll(async () => {
    await Promise.all(servers.map((server) => server.stop()))
    await house.stop()
    await database.drop()
  })

  const portOf = (turn: number): number => servers[turn % servers.length]?.port ?? 0
  const ask = (turn: number, path: string, sent: object): Promise<Reply> =>
    askAt(portOf(turn), path, { as: bot.identity, ...sent })
  const proofFor = (nonce: string | undefined): string => {
    const request = { method: 'POST', uri: `${PUBLIC}/oauth2/token`, now: instant(Date.now()) }
    return rawDpop(request, { key: bot.key, claims: { nonce } })
  }

  async function form(turn: number): Promise<Record<string, string>> {
    const jwt = await ask(turn, '/v1/jwt-svid', { json: { audience: [PUBLIC] } })
    const authority = [{ type: 'task', resource: BILLING, actions: ['read'] }]
    const task = await ask(turn, '/v1/tasks', { json: { authority, expires_in: 600 } })
    return {
      grant_type: TOKEN_EXCHANGE_GRANT,
      client_id: bot.svid.spiffe_id,
      subject_token: String(jwt.body['token']),
      subject_token_type: JWT_TYPE,
      resource: BILLING,
      task_id: String(task.body['id']),
    }
  }

  it('DP-4 give one token for one DPoP proof that comes to both at once, again and again', async () => {
    const pids = servers.map(({ process }) => process.child.pid)
    expect(new Set([...pids, process.pid]).size).toBe(3)
    for (let round = 0; round < 5; round++) {
      const told = await ask(round, '/oauth2/token', {
        form: await form(round),
        headers: { dpop: proofFor(undefined) },
      })
      expect(told.body).toMatchObject({ error_code: 'DPOP_NONCE_REQUIRED' })
      const headers = { dpop: proofFor(String(told.headers['dpop-nonce'])) }
      const forms = [await form(0), await form(1)]
      const replies = await Promise.all(forms.map((one, turn) => ask(turn, '/oauth2/token', { form: one, headers })))
      const outcomes = replies.map(({ status, body }) => (status === 200 ? 'issued' : body['error_code']))
      expect(outcomes.sort()).toEqual(['DPOP_PROOF_REPLAYED', 'issued'])
    }
  })

  it('DP-4 go on refusing it at the other one when the one that took it is gone', async () => {
    const told = await ask(0, '/oauth2/token', { form: await form(0), headers: { dpop: proofFor(undefined) } })
    const headers = { dpop: proofFor(String(told.headers['dpop-nonce'])) }
    const third = await new ServerProcess(house, 4).ready()
    const used = { as: bot.identity, form: await form(0), headers }
    expect((await askAt(third.port, '/oauth2/token', used)).status).toBe(200)
    await third.process.stop('SIGKILL')
    await third.stop()
    const again = await ask(1, '/oauth2/token', { form: await form(1), headers })
    expect(again).toMatchObject({ status: 400, body: { error_code: 'DPOP_PROOF_REPLAYED' } })
  })
})
