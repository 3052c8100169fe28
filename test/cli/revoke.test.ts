import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { BILLING, TestHouse } from '../support/server.ts'
import { writ, type Ran } from '../support/writ.ts'

let house: TestHouse
let cwd: string

beforeAll(async () => {
  house = await TestHouse.start()
  cwd = mkdtempSync(join(tmpdir(), 'writ-revoke-'))
  await house.register('bot')
})
afterAll(async () => {
  await house.stop()
  rmSync(cwd, { recursive: true })
})

const run = (...args: readonly string[]): Promise<Ran> => writ(args, { cwd, env: { WRIT_DATA: house.data } })

async function enrolled(name: string): Promise<{ readonly instance: string; readonly serial: string }> {
  const server = `https://localhost:${String(house.port)}`
  await run('join-token', 'create', 'bot', '--out', `${name}.token`)
  const done = await run('enroll', '--server', server, '--join-token-file', `${name}.token`, '--identity', name)
  expect(done).toMatchObject({ code: 0, stderr: '' })
  return JSON.parse(readFileSync(join(cwd, name, 'identity.json'), 'utf8')) as { instance: string; serial: string }
}

describe('writ revoke', () => {
  it('shows in a dry run what it would hit and whose that is, then does it, and says when it was done before', async () => {
    const { instance, serial } = await enrolled('one')
    const open = ['task', 'open', '--identity', 'one', '--resource', BILLING, '--action', 'read', '--json']
    expect((await run(...open)).code).toBe(0)
    const command = ['revoke', 'instance', instance, '--reason', 'cessation_of_operation']
    const dry = await run(...command, '--dry-run')
    expect(dry.stdout).toContain(`would revoke instance ${instance}`)
    expect(dry.stdout).toContain('finance')
    expect(dry.stdout).toContain(serial)
    expect(dry.stdout).toMatch(/task_/)
    expect((await run('renew', '--identity', 'one')).code).toBe(0)
    const done = await run(...command)
    expect(done).toMatchObject({ code: 0, stderr: '' })
    expect(done.stdout).toContain(`revoked instance ${instance}`)
    expect((await run('renew', '--identity', 'one')).stderr).toContain('[CLIENT_CERTIFICATE_REVOKED]')
    expect((await run(...open)).stderr).toContain('CLIENT_CERTIFICATE_REVOKED')
    expect((await run(...command)).stdout).toContain('was revoked before; nothing changed')
  })

  it('takes a serial, and answers as JSON', async () => {
    const { serial } = await enrolled('two')
    const done = await run('revoke', 'certificate', serial, '--reason', 'key_compromise', '--json')
    expect(JSON.parse(done.stdout)).toMatchObject({ handle: 'certificate', changed: true, hits: { more: false } })
    expect((await run('renew', '--identity', 'two')).stderr).toContain('[CLIENT_CERTIFICATE_REVOKED]')
  })

  it('refuses what does not exist, an unknown reason and an unknown handle, each with its code', async () => {
    const none = await run('revoke', 'agent', 'nobody', '--reason', 'unspecified')
    expect(none).toMatchObject({ code: 3 })
    expect(none.stderr).toContain('[REVOCATION_TARGET_UNKNOWN]')
    const reason = await run('revoke', 'agent', 'bot', '--reason', 'boredom')
    expect(reason.code).not.toBe(0)
    expect(reason.stderr).toContain('key_compromise')
    expect(reason.stderr).toContain('[REVOCATION_REASON_UNKNOWN]')
    const handle = await run('revoke', 'moon', 'bot', '--reason', 'unspecified')
    expect(handle.code).not.toBe(0)
    expect(handle.stderr).toContain('[REVOCATION_HANDLE_UNKNOWN]')
  })
})
