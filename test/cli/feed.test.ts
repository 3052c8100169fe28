import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Background, until } from '../support/background.ts'
import { TestHouse } from '../support/server.ts'
import { writ, type Ran } from '../support/writ.ts'

let house: TestHouse
let cwd: string

beforeAll(async () => {
  house = await TestHouse.start()
  cwd = mkdtempSync(join(tmpdir(), 'writ-feed-'))
  await house.register('bot')
  const { body } = await house.admin('/v1/agents', { json: { name: 'mail', owner: 'it' } })
  expect(body['name']).toBe('mail')
  for (const name of ['bot', 'mail']) {
    const server = `https://localhost:${String(house.port)}`
    await run('join-token', 'create', name, '--out', `${name}.token`)
    const done = await run('enroll', '--server', server, '--join-token-file', `${name}.token`, '--identity', name)
    expect(done.code).toBe(0)
  }
})
afterAll(async () => {
  await house.stop()
  rmSync(cwd, { recursive: true })
})

const run = (...args: readonly string[]): Promise<Ran> => writ(args, { cwd, env: { WRIT_DATA: house.data } })

describe('writ feed', () => {
  it('prints what is taken back, line by line, and goes on behind an id', async () => {
    const feed = new Background(['feed', '--identity', 'bot', '--json'], { cwd })
    const lines = () =>
      feed.stdout
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as { event: string; id: string | null; data: Record<string, string> })
    await until(
      () => lines().some(({ event }) => event === 'ready'),
      () => feed.stderr,
    )
    const other = await house.enroll('bot')
    await house.admin('/v1/revocations', {
      json: { handle: 'instance', value: other.svid.instance, reason: 'unspecified' },
    })
    await until(() => lines().some(({ event }) => event === 'certificate'))
    await feed.stop()
    const last = lines().find(({ event }) => event === 'certificate')
    const again = new Background(['feed', '--identity', 'bot', '--from', last?.id ?? ''], { cwd })
    await until(
      () => again.stdout.includes('ready'),
      () => again.stderr,
    )
    expect(again.stdout).not.toContain('certificate')
    await again.stop()
  })

  it('says why somebody may not, and what is wrong with an id', async () => {
    const nobody = await run('feed', '--identity', 'mail')
    expect(nobody).toMatchObject({ code: 3, stdout: '' })
    expect(nobody.stderr).toContain('[FEED_NOT_REGISTERED]')
    expect((await run('feed', '--identity', 'bot', '--from', 'x')).stderr).toContain('[FEED_POSITION_INVALID]')
  })
})
