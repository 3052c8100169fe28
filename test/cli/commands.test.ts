import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { instant } from '#kernel/instant.ts'
import { CORP, IDP_KEYS } from '../fakes/users.ts'
import { idToken } from '../support/id-tokens.ts'
import { BILLING, TestHouse } from '../support/server.ts'
import { writ, type Ran } from '../support/writ.ts'

let house: TestHouse
let cwd: string

beforeAll(async () => {
  cwd = mkdtempSync(join(tmpdir(), 'writ-cli-'))
  const { verificationKey, kid } = IDP_KEYS.corp
  const jwks = join(cwd, 'corp.jwks')
  writeFileSync(jwks, JSON.stringify({ keys: [{ ...verificationKey.jwk, kid, alg: 'ES256', use: 'sig' }] }))
  const { name, issuer, clientId } = CORP
  house = await TestHouse.start({ users: [{ name, issuer, client_id: clientId, jwks_file: jwks }] })
  await house.register('bot')
})
afterAll(async () => {
  await house.stop()
  rmSync(cwd, { recursive: true })
})

const run = (...args: readonly string[]): Promise<Ran> => writ(args, { cwd, env: { WRIT_DATA: house.data } })
const server = (): string => `https://localhost:${String(house.port)}`
let count = 0

/** An enrolled identity in a folder of its own. */
async function enrolled(): Promise<string> {
  const name = `id${String(count++)}`
  expect((await run('join-token', 'create', 'bot', '--out', `${name}.token`)).code).toBe(0)
  const done = await run('enroll', '--server', server(), '--join-token-file', `${name}.token`, '--identity', name)
  expect(done).toMatchObject({ code: 0, stderr: '' })
  return name
}

async function opened(identity: string): Promise<string> {
  const done = await run('task', 'open', '--identity', identity, '--resource', BILLING, '--action', 'read', '--json')
  return (JSON.parse(done.stdout) as { id: string }).id
}

describe('admin commands, through the socket', () => {
  it('lists agents as a table, and as JSON with the same rows', async () => {
    expect((await run('agent', 'list')).stdout).toMatch(/NAME +OWNER[^]*bot +finance/)
    const rows = JSON.parse((await run('agent', 'list', '--json')).stdout) as { name: string }[]
    expect(rows.map(({ name }) => name)).toContain('bot')
  })

  it('lets an orchestrator name agent and user, and keeps its lists', async () => {
    const added = await run('principal', 'add', 'local:4711', '--name', 's', '--role', 'orchestrator', '--json')
    const { id } = JSON.parse(added.stdout) as { id: string }
    const lists = ['--subjects', 'user:corp:*', '--subjects', 'user:partner:bob', '--agents', 'bot', '--json']
    const set = await run('principal', 'set', id, ...lists)
    expect(JSON.parse(set.stdout)).toMatchObject({ subjects: ['user:corp:*', 'user:partner:bob'], agents: ['bot'] })
    const rows = JSON.parse((await run('principal', 'list', '--json')).stdout) as { id: string; subject: string }[]
    const me = rows.find(({ subject }) => subject === `local:${String(process.getuid?.())}`)?.id ?? ''
    const open = ['task', 'open', '--agent', 'bot', '--subject', 'user:corp:alice', '--resource', BILLING]
    expect((await run(...open, '--action', 'read')).stderr).toContain('[TASK_AGENT_NOT_ALLOWED]')
    expect((await run('principal', 'set', me, ...lists)).code).toBe(0)
    const opened = await run(...open, '--action', 'read', '--json')
    expect(JSON.parse(opened.stdout)).toMatchObject({ agent: 'bot', instance: null, subject: 'user:corp:alice' })
  })

  it('opens a task for a user with their ID token, and starts with another one, from files and never from arguments', async () => {
    const identity = await enrolled()
    const file = (name: string): string => {
      writeFileSync(join(cwd, name), `${idToken(instant(Date.now()))}\n`, { mode: 0o600 })
      return name
    }
    const what = ['--identity', identity, '--resource', BILLING, '--action', 'read', '--json']
    const used = file('alice.jwt')
    const opened = await run('task', 'open', ...what, '--subject-token-file', used)
    const task = JSON.parse(opened.stdout) as { id: string; subject: string }
    expect(task.subject).toBe('user:corp:alice')
    expect((await run('task', 'open', ...what, '--subject-token-file', used)).stderr).toContain('USER_TOKEN_USED')
    const start = (name: string) => run('token', ...what, '--task', task.id, '--subject-token-file', name)
    const token = (JSON.parse((await start(file('again.jwt'))).stdout) as { access_token: string }).access_token
    const claims: unknown = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString())
    expect(claims).toMatchObject({
      sub: 'user:corp:alice',
      act: { sub: expect.stringContaining('/agent/bot/') as string },
    })
    expect((await start(used)).stderr).toContain('USER_TOKEN_USED')
  })

  it('says what a suspension would hit, and changes nothing', async () => {
    const identity = await enrolled()
    const instance = (JSON.parse(readFileSync(join(cwd, identity, 'identity.json'), 'utf8')) as { instance: string })
      .instance
    const dry = await run('agent', 'suspend', 'bot', '--dry-run')
    expect(dry.stdout).toContain(instance)
    expect((await run('agent', 'show', 'bot')).stdout).toMatch(/state +active/)
  })

  it('refuses in a sentence, with the code, and exit code 3', async () => {
    const done = await run('agent', 'show', 'nobody')
    expect(done).toMatchObject({ code: 3, stdout: '' })
    expect(done.stderr).toContain('[AGENT_UNKNOWN]')
    const json = await run('agent', 'show', 'nobody', '--json')
    expect(JSON.parse(json.stderr)).toMatchObject({ error: { code: 'AGENT_UNKNOWN' } })
  })

  it('says that there is no server, with exit code 4', async () => {
    const done = await writ(['agent', 'list'], { cwd, env: { WRIT_DATA: cwd } })
    expect(done.code).toBe(4)
    expect(done.stderr).toContain('[SERVER_UNREACHABLE]')
  })

  it('ends with exit code 2 for what it does not understand', async () => {
    expect((await run('agent', 'frobnicate')).code).toBe(2)
    expect((await run('agent', 'add', 'x', '--owner', 'y', '--allow', 'nonsense')).code).toBe(2)
    expect((await run('agent', 'list', '--server', 'http://localhost')).code).toBe(2)
  })

  it('shows the newest leaves of the audit log', async () => {
    const done = await run('audit', 'tail', '-n', '5', '--json')
    const leaves = JSON.parse(done.stdout) as { v: number; seq: number }[]
    expect(leaves.length).toBeGreaterThan(0)
    expect(leaves.map(({ seq }) => seq)).toEqual([...leaves.map(({ seq }) => seq)].sort((left, right) => left - right))
  })
})

describe('promise 11: secrets come out only where they are asked for', () => {
  it('writes a join token to stdout alone, or to a new file with mode 0600', async () => {
    const shown = await run('join-token', 'create', 'bot')
    expect(shown.stdout).toMatch(/^wjt_\S+\n$/)
    expect(shown.stderr).not.toContain('wjt_')
    const kept = await run('join-token', 'create', 'bot', '--out', 'kept.token')
    expect(kept.stdout + kept.stderr).not.toContain('wjt_')
    expect(statSync(join(cwd, 'kept.token')).mode & 0o777).toBe(0o600)
    const again = await run('join-token', 'create', 'bot', '--out', 'kept.token')
    expect(again).toMatchObject({ code: 2 })
    expect(again.stderr).toContain('[FILE_EXISTS]')
  })

  it('keeps an identity in a 0700 folder of 0600 files, and refuses one that others can read', async () => {
    const identity = await enrolled()
    const folder = join(cwd, identity)
    expect(statSync(folder).mode & 0o777).toBe(0o700)
    expect(statSync(join(folder, 'key.pem')).mode & 0o777).toBe(0o600)
    const { chmodSync } = await import('node:fs')
    chmodSync(folder, 0o755)
    expect((await run('renew', '--identity', identity)).stderr).toContain('[IDENTITY_FOLDER_INVALID]')
  })
})

describe('agent commands', () => {
  it('renew the certificate in its lineage, for the same key', async () => {
    const identity = await enrolled()
    const before = readFileSync(join(cwd, identity, 'certificate.pem'), 'utf8')
    const key = readFileSync(join(cwd, identity, 'key.pem'), 'utf8')
    expect((await run('renew', '--identity', identity)).code).toBe(0)
    expect(readFileSync(join(cwd, identity, 'certificate.pem'), 'utf8')).not.toBe(before)
    expect(readFileSync(join(cwd, identity, 'key.pem'), 'utf8')).toBe(key)
  })

  it('refuse a second enrollment with the same join token', async () => {
    const identity = await enrolled()
    const done = await run(
      'enroll',
      '--server',
      server(),
      '--join-token-file',
      `${identity}.token`,
      '--identity',
      'twice',
    )
    expect(done.code).toBe(3)
    expect(done.stderr).toContain('[JOIN_TOKEN_USED]')
  })

  it('send nothing to a server that the join token does not name', async () => {
    const other = await TestHouse.start()
    try {
      await run('join-token', 'create', 'bot', '--out', 'lost.token')
      const elsewhere = `https://localhost:${String(other.port)}`
      const done = await run('enroll', '--server', elsewhere, '--join-token-file', 'lost.token', '--identity', 'lost')
      expect(done.code).toBe(4)
      expect(done.stderr).toContain('[SERVER_NOT_TRUSTED]')
    } finally {
      await other.stop()
    }
  })

  it('open, list, show and complete a task; hand out a token, narrow it, and none once it is completed', async () => {
    const identity = await enrolled()
    const task = await opened(identity)
    expect((await run('task', 'list', '--identity', identity)).stdout).toContain(task)
    const first = await run('token', '--identity', identity, '--task', task, '--resource', BILLING)
    expect(first.stdout).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+\n$/)
    writeFileSync(join(cwd, `${identity}.jwt`), first.stdout, { mode: 0o600 })
    const narrower = ['--resource', BILLING, '--action', 'read', '--identifier', 'inv_1']
    const second = await run('token', '--identity', identity, '--from', `${identity}.jwt`, ...narrower, '--json')
    expect(JSON.parse(second.stdout)).toMatchObject({ authorization_details: [{ identifiers: ['inv_1'] }] })
    expect((await run('task', 'complete', task, '--identity', identity)).stdout).toContain('completed')
    expect((await run('task', 'show', task, '--identity', identity)).stdout).toMatch(/state +completed/)
    const late = await run('token', '--identity', identity, '--task', task, '--resource', BILLING)
    expect(late).toMatchObject({ code: 3, stdout: '' })
    expect(late.stderr).toContain('[TASK_COMPLETED]')
  })

  it('verify a certificate offline, and refuse one of another trust domain with exit code 5', async () => {
    const identity = await enrolled()
    const good = await run('verify', 'certificate', join(identity, 'certificate.pem'), '--identity', identity)
    expect(good).toMatchObject({ code: 0, stderr: '' })
    const other = await TestHouse.start()
    try {
      writeFileSync(join(cwd, 'other.json'), other.bundle)
      const bad = await run('verify', 'certificate', join(identity, 'certificate.pem'), '--trust-bundle', 'other.json')
      expect(bad).toMatchObject({ code: 5, stdout: '' })
      expect(bad.stderr).toContain('[VERIFICATION_FAILED]')
    } finally {
      await other.stop()
    }
  })

  it('print the bundle that the server has and the one in the folder, which are the same', async () => {
    const identity = await enrolled()
    const [online, offline, socket] = await Promise.all([
      run('bundle', 'show', '--identity', identity),
      run('bundle', 'show', '--identity', identity, '--offline'),
      run('bundle', 'show'),
    ])
    expect(JSON.parse(online.stdout)).toEqual(JSON.parse(offline.stdout))
    expect(JSON.parse(socket.stdout)).toEqual(JSON.parse(offline.stdout))
  })
})

describe('an admin over https', () => {
  it('enrolls, is given a role, and may then do what the role allows and no more', async () => {
    expect((await run('agent', 'add', 'alice', '--owner', 'security', '--admin')).code).toBe(0)
    expect((await run('join-token', 'create', 'alice', '--out', 'alice.token')).code).toBe(0)
    await run('enroll', '--server', server(), '--join-token-file', 'alice.token', '--identity', 'alice')
    const asAlice = ['--server', server(), '--identity', 'alice']
    expect((await run('agent', 'list', ...asAlice)).code).toBe(3)
    const given = await run(
      'principal',
      'add',
      'spiffe://example.org/admin/alice',
      '--name',
      'Alice',
      '--role',
      'viewer',
    )
    expect(given.code).toBe(0)
    expect((await run('whoami', ...asAlice)).stdout).toContain('spiffe://example.org/admin/alice')
    expect((await run('agent', 'list', ...asAlice)).code).toBe(0)
    const denied = await run('agent', 'suspend', 'bot', ...asAlice)
    expect(denied.code).toBe(3)
    expect(denied.stderr).toContain('[ROLE_REQUIRED]')
  })

  it('may show certificate, key and bundle as files instead of an identity folder', async () => {
    await run('agent', 'add', 'bob', '--owner', 'security', '--admin')
    await run('principal', 'add', 'spiffe://example.org/admin/bob', '--name', 'Bob', '--role', 'viewer')
    await run('join-token', 'create', 'bob', '--out', 'bob.token')
    await run('enroll', '--server', server(), '--join-token-file', 'bob.token', '--identity', 'bob')
    const files = ['--cert', 'bob/certificate.pem', '--key', 'bob/key.pem', '--bundle', 'bob/bundle.json']
    expect((await run('whoami', '--server', server(), ...files)).stdout).toContain('spiffe://example.org/admin/bob')
  })
})
